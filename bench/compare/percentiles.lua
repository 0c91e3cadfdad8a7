-- wrk's own table ends at 99 %, and its units vary.
function done(_, latency, _)
  for _, percent in ipairs({ 50, 99, 99.9 }) do
    io.write(string.format("p%g %d us\n", percent, latency:percentile(percent)))
  end
end
