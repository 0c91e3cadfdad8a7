-- wrk's own table ends at 99 %.
function done(_, latency, _)
  io.write(string.format("p99.9 %d us\n", latency:percentile(99.9)))
end
