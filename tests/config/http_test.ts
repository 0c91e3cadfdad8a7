import { assertEquals } from "@std/assert";
import { describeConfig } from "../../src/config/describe.ts";
import { requiredPermissions } from "../../src/config/required_permissions.ts";
import { httpOf, httpWith, linesOf, parseHttp, problemsOf, warningsOf } from "./http_fixture.ts";

Deno.test("an upstream without routes is one route for all requests, and the rest is as by default", () => {
  const { services } = parseHttp(httpWith("upstream: app"));
  const { upstream, http, timeouts } = services[0]!;
  assertEquals(upstream, undefined);
  assertEquals(timeouts.idleMs, 90_000);
  assertEquals(http, {
    routes: [{ match: {}, upstream: "app" }],
    limits: { headerSize: 32_768, headers: 100, bodySize: 0 },
    timeouts: { responseMs: 30_000, requestMs: 0 },
    forwarded: "x",
    trusted: [],
    underscores: "drop",
    encodedSlashes: "reject",
    errorPaths: {},
    requestId: false,
    clientCert: true,
    identityHeader: "X-Client-Identity",
  });
});

Deno.test("an upstream may be written in place", () => {
  const { services, upstreams } = parseHttp(httpWith('upstream: {backends: ["10.0.0.2:80"]}'));
  assertEquals(services[0]!.http!.routes, [{ match: {}, upstream: "web" }]);
  assertEquals([...upstreams.keys()], ["app", "web"]);
});

const EVERYTHING = `routes:
  - match: {host: "*.Example.org", path: /%61pi/, methods: [GET, POST]}
    upstream: app
    rewrite: /v2/
    rewriteCookies: true
    hostHeader: app.internal:8080
    headers:
      request: {set: {X-Team: core, X-Who: "{client.identity}"}, remove: [X-Debug]}
      response: {add: {X-A: b}, remove: [X-Powered-By]}
    retries: {attempts: 3, on: [connect, 502, 503], idempotencyKey: true}
    timeouts: {response: 5s, request: 1m}
  - match: {path: /old}
    redirect: {to: "https://{host}/new{query}", status: 301}
  - match: {path: /healthz}
    respond: {status: 200, headers: {Content-Type: text/plain}, body: "ok {}"}
limits: {headerSize: 16KiB, headers: 50, bodySize: 1MiB}
forwarded: both
trusted: ["10.0.0.0/8"]
underscores: allow
encodedSlashes: keep
errors: {502: errors/502.html, 503: /srv/503.json}
via: culvert
requestId: true
clientCert: false
identityHeader: false
timeouts: {response: 20s, request: 2m}
`;

Deno.test("every key comes out as plain data, with paths resolved and in normal form", () => {
  const http = httpOf(httpWith(EVERYTHING));
  assertEquals(structuredClone(http), http);
  assertEquals(http, {
    routes: [
      {
        match: { host: "*.Example.org", path: "/api/", methods: ["GET", "POST"] },
        upstream: "app",
        rewrite: "/v2/",
        rewriteCookies: true,
        hostHeader: "app.internal:8080",
        headers: {
          request: { set: { "X-Team": "core", "X-Who": "{client.identity}" }, remove: ["X-Debug"] },
          response: { add: { "X-A": "b" }, remove: ["X-Powered-By"] },
        },
        retries: { attempts: 3, on: ["connect", 502, 503], idempotencyKey: true },
        timeouts: { responseMs: 5000, requestMs: 60_000 },
      },
      { match: { path: "/old" }, redirect: { to: "https://{host}/new{query}", status: 301 } },
      {
        match: { path: "/healthz" },
        respond: { status: 200, headers: { "Content-Type": "text/plain" }, body: "ok {}" },
      },
    ],
    limits: { headerSize: 16_384, headers: 50, bodySize: 1_048_576 },
    timeouts: { responseMs: 20_000, requestMs: 120_000 },
    forwarded: "both",
    trusted: ["10.0.0.0/8"],
    underscores: "allow",
    encodedSlashes: "keep",
    errorPaths: { 502: "/etc/culvert/errors/502.html", 503: "/srv/503.json" },
    via: "culvert",
    requestId: true,
    clientCert: false,
  });
});

Deno.test("defaults that a service does not override are those of all", () => {
  const top = "timeouts: {response: 7s, request: 8s}";
  assertEquals(httpOf(httpWith("upstream: app", top)).timeouts, { responseMs: 7000, requestMs: 8000 });
  const own = httpOf(httpWith("upstream: app\ntimeouts: {request: 0}", top));
  assertEquals(own.timeouts, { responseMs: 7000, requestMs: 0 });
});

Deno.test("keys that contradict the protocol or each other are reported, each with its place", () => {
  const cases: [keys: string, problems: string[]][] = [
    ["forwarded: x", ["services[0].routes: missing; expected routes, or an upstream for all requests"]],
    [
      "upstream: app\nroutes: [{upstream: app}]",
      [
        "services[0].upstream: expected none, where there are routes: one without match is for all other requests, " +
        'got "app"',
      ],
    ],
    ["upstream: app\nsni: {a.test: app}", [
      'services[0].sni: expected none with protocol: http, got {"a.test": "app"}',
    ]],
    [
      "upstream: app\ntls: {cert: a, key: b, alpn: [h2, http/1.1]}",
      ['services[0].tls.alpn[0]: expected "http/1.1", the one protocol that is served, got "h2"'],
    ],
    [
      "upstream: app\ntls: {cert: a, key: b, starttls: smtp}",
      ['services[0].tls.starttls: expected none with protocol: http, got "smtp"'],
    ],
    ["routes: [{match: {path: /x}}]", [
      "services[0].routes[0]: missing; expected one of upstream, redirect and respond",
    ]],
    [
      "routes: [{upstream: app, redirect: {to: /x}}]",
      ['services[0].routes[0].redirect: expected one of upstream, redirect and respond, not several, got {"to": "/x"}'],
    ],
    [
      "routes: [{upstream: apps}]",
      ['services[0].routes[0].upstream: expected the name of one of the upstreams, got "apps"; did you mean "app"?'],
    ],
    [
      "routes: [{redirect: {to: /x}, rewrite: /y, hostHeader: keep}]",
      [
        'services[0].routes[0].hostHeader: expected none without upstream, got "keep"',
        'services[0].routes[0].rewrite: expected none without upstream, got "/y"',
      ],
    ],
    [
      "routes: [{respond: {status: 204, body: x}}]",
      ['services[0].routes[0].respond.body: expected none with the status 204, got "x"'],
    ],
    [
      "routes: [{match: {host: A.org, path: /%61}, upstream: app}, {match: {host: a.org, path: /a}, upstream: app}]",
      [
        "services[0].routes[1].match: expected a host, a path and methods of its own (services[0].routes[0].match has " +
        'it), got {"host": "a.org", "path": "/a"}',
      ],
    ],
    [
      "routes: [{match: {methods: [GET]}, upstream: app}, {match: {methods: [PUT, GET]}, upstream: app}]",
      [
        "services[0].routes[1].match.methods[1]: expected a host, a path and methods of its own " +
        '(services[0].routes[0].match.methods[0] has it), got "GET"',
      ],
    ],
    [
      "routes: [{upstream: app, headers: {request: {set: {X-A: b, x-a: c}}}}]",
      [
        "services[0].routes[0].headers.request.set.x-a: expected a name of its own " +
        '(services[0].routes[0].headers.request.set.X-A has it), got "x-a"',
      ],
    ],
  ];
  for (const [keys, problems] of cases) assertEquals(problemsOf(httpWith(keys)), problems, keys);
});

Deno.test("keys of HTTP have no place in a TCP service", () => {
  const text = httpWith("upstream: app\nlimits: {}\nvia: x\nroutes: []\ntimeouts: {response: 1s}")
    .replace("protocol: http", "protocol: tcp");
  const problems = problemsOf(text);
  assertEquals(problems.map((line) => line.split(":")[0]), [
    "services[0].limits",
    "services[0].via",
    "services[0].routes",
    "services[0].routes",
    "services[0].timeouts.response",
  ]);
  assertEquals(problems[1], 'services[0].via: expected none, unless protocol is http, got "x"');
});

Deno.test("values that can't be used are reported, each with what is expected", () => {
  const route = (keys: string) => `routes: [{upstream: app, ${keys}}]`;
  const of = "services[0].routes[0]";
  const cases: [keys: string, problem: string][] = [
    [
      route("match: {path: api}"),
      `${of}.match.path: expected a path that begins with /, without query, //, ., .. and ;, got "api"`,
    ],
    [route('match: {path: "/a/../b"}'), `${of}.match.path: expected a path that begins`],
    [route('match: {path: "/a%2fb"}'), `${of}.match.path: expected a path that begins`],
    [route('match: {path: "/a?b"}'), `${of}.match.path: expected a path that begins`],
    [
      route('match: {host: "*"}'),
      `${of}.match.host: expected a host name, a wildcard such as *.example.org, or an IP address (it can't match), got "*"`,
    ],
    [route('match: {host: "a.org:80"}'), `${of}.match.host: expected a host name`],
    [route("match: {methods: []}"), `${of}.match.methods: expected a list of one method at least, got []`],
    [
      route("match: {methods: [get]}"),
      `${of}.match.methods[0]: expected a method such as GET (in capitals: GET), got "get"`,
    ],
    [
      route('match: {methods: ["A B"]}'),
      `${of}.match.methods[0]: expected a method such as GET (it is no method), got "A B"`,
    ],
    [route("match: {pat: /x}"), `${of}.match.pat: unknown key; did you mean "path"?`],
    [route("rewrite: v2"), `${of}.rewrite: expected a path that begins`],
    [route("rewrites: /x"), `${of}.rewrites: unknown key; did you mean "rewrite"?`],
    [
      route('hostHeader: "a b"'),
      `${of}.hostHeader: expected keep, backend or a host name with its port, if any (it is no host), got "a b"`,
    ],
    [route('hostHeader: "a\\r\\nX: 1"'), `${of}.hostHeader: expected keep`],
    [route('hostHeader: "a:99999"'), `${of}.hostHeader: expected keep`],
    [
      route('headers: {request: {set: {X-A: "b\\r\\nEvil: 1"}}}'),
      `${of}.headers.request.set.X-A: expected a text for the value of a field, numbers in quotes (it has control characters), got "b\\r\\nEvil: 1"`,
    ],
    [
      route('headers: {response: {add: {X-A: "b\\nEvil: 1"}}}'),
      `${of}.headers.response.add.X-A: expected a text for the value`,
    ],
    [
      route('headers: {request: {set: {"X A": b}}}'),
      `${of}.headers.request.set["X A"]: expected the name of a field such as X-Team (it is no name of a field), got "X A"`,
    ],
    [
      route('headers: {request: {set: {"X\\r\\nA": b}}}'),
      `expected the name of a field such as X-Team (it is no name of a field)`,
    ],
    [
      route("headers: {request: {set: {Host: b}}}"),
      `${of}.headers.request.set.Host: expected the name of a field such as X-Team (Host is set by hostHeader), got "Host"`,
    ],
    [
      route("headers: {response: {remove: [Content-Length]}}"),
      `${of}.headers.response.remove[0]: expected the name of a field`,
    ],
    [
      route("headers: {request: {remove: [Transfer-Encoding]}}"),
      `${of}.headers.request.remove[0]: expected the name of a field`,
    ],
    [
      route('headers: {request: {set: {X-A: "{client.name}"}}}'),
      `${of}.headers.request.set.X-A: expected a text for the value of a field, numbers in quotes ({client.name} is no variable`,
    ],
    [
      route("headers: {request: {set: {X-A: 1}}}"),
      `${of}.headers.request.set.X-A: expected a text for the value of a field, numbers in quotes, got 1`,
    ],
    [route("headers: {requests: {}}"), `${of}.headers.requests: unknown key; did you mean "request"?`],
    [
      route("retries: {attempts: -1}"),
      `${of}.retries.attempts: expected a whole number from 0 to 100, got -1`,
    ],
    [
      route("retries: {on: [connects]}"),
      `${of}.retries.on[0]: expected connect, or a status from 400 to 599, got "connects"`,
    ],
    [
      route("retries: {on: [200]}"),
      `${of}.retries.on[0]: expected connect, or a status from 400 to 599, got 200`,
    ],
    [route("timeouts: {response: 5}"), `${of}.timeouts.response: expected a duration with its unit`],
    [route("timeouts: {idle: 5s}"), `${of}.timeouts.idle: unknown key; expected one of response, request`],
    [
      "routes: [{redirect: {to: 'javascript:alert(1)'}}]",
      `${of}.redirect.to: expected a URL or a path, perhaps with {scheme}, {host}, {path} and {query} (it is no URL with http or https, nor a path that begins with /), got "javascript:alert(1)"`,
    ],
    [
      "routes: [{redirect: {to: 'https://{path}'}}]",
      `${of}.redirect.to: expected a URL or a path, perhaps with {scheme}, {host}, {path} and {query} ({path} can't stand there)`,
    ],
    [
      "routes: [{redirect: {to: '/{uri}'}}]",
      `({uri} is no variable; there are {scheme}, {host}, {path}, {query})`,
    ],
    [
      "routes: [{redirect: {to: /x, status: 200}}]",
      `${of}.redirect.status: expected one of 301, 302, 303, 307, 308, got 200`,
    ],
    ["routes: [{redirect: {status: 301}}]", `${of}.redirect.to: missing; expected a URL or a path`],
    [
      "routes: [{respond: {status: 101}}]",
      `${of}.respond.status: expected a whole number from 200 to 599, got 101`,
    ],
    [
      'routes: [{respond: {status: 200, headers: {X-A: "b\\r\\nc"}}}]',
      `${of}.respond.headers.X-A: expected a text`,
    ],
    ["routes: []", "services[0].routes: expected a list of one route at least, got []"],
    [
      "upstream: app\nlimits: {headerSize: 100}",
      "services[0].limits.headerSize: expected a size such as 16KiB, 1MiB or a whole number of bytes, at most 1024GiB, from 1KiB to 1MiB, got 100",
    ],
    [
      "upstream: app\nlimits: {headers: 0}",
      "services[0].limits.headers: expected a whole number from 1 to 10000, got 0",
    ],
    [
      "upstream: app\nlimits: {bodySize: big}",
      'services[0].limits.bodySize: expected a size such as 16KiB, 1MiB or a whole number of bytes, at most 1024GiB, got "big"',
    ],
    ["upstream: app\nlimits: {header: 1}", 'services[0].limits.header: unknown key; did you mean "headers"?'],
    ["upstream: app\nforwarded: xff", "services[0].forwarded: expected one of x, rfc7239, both, none"],
    ["upstream: app\nunderscores: keep", "services[0].underscores: expected one of drop, allow"],
    ["upstream: app\nencodedSlashes: decode", "services[0].encodedSlashes: expected one of reject, keep"],
    [
      "upstream: app\nerrors: {200: x}",
      'services[0].errors.200: expected a status from 400 to 599, got "200"',
    ],
    ["upstream: app\nerrors: {502: 1}", "services[0].errors.502: expected the path of a file"],
    [
      'upstream: app\nvia: "a b"',
      'services[0].via: expected a name for this proxy, such as culvert (it is no token), got "a b"',
    ],
    [
      "upstream: app\nidentityHeader: true",
      "services[0].identityHeader: expected the name of a field, or false, got true",
    ],
    [
      "upstream: app\nidentityHeader: Connection",
      "services[0].identityHeader: expected the name of a field, or false (Connection is the proxy's own",
    ],
    ["upstream: app\nrequestId: yes please", "services[0].requestId: expected true or false"],
    ["upstream: app\nroute: []", 'services[0].route: unknown key; did you mean "routes"?'],
    [
      "upstream: app\ntimeouts: {responses: 1s}",
      'services[0].timeouts.responses: unknown key; did you mean "response"?',
    ],
  ];
  for (const [keys, problem] of cases) {
    const problems = problemsOf(httpWith(keys));
    assertEquals(
      [problems.length, problems[0]?.includes(problem)],
      [1, true],
      `${keys}\n${problems.join("\n")}`,
    );
  }
});

Deno.test("all problems of many routes are reported at once, with their lines", () => {
  assertEquals(
    linesOf(httpWith(`routes:
  - match: {path: x}
    upstream: app
  - redirect: {to: x}
  - match: {path: /y}
    upstream: missing
bodySize: 1`)).map((line) => line.replace(/: expected.*|;.*/, "")),
    [
      ":10: services[0].routes[0].match.path",
      ":12: services[0].routes[1].redirect.to",
      ":14: services[0].routes[2].upstream",
      ":15: services[0].bodySize: unknown key",
    ],
  );
});

Deno.test("a service over TLS tells its clients what is spoken", () => {
  const { services } = parseHttp(httpWith("upstream: app\ntls: {cert: a.pem, key: a.key}"));
  assertEquals(services[0]!.tls!.alpn, ["http/1.1"]);
});

Deno.test("an upstream that begins TLS within another protocol can't be asked in HTTP", () => {
  const text = httpWith("routes: [{upstream: mail}]").replace(
    "upstreams:",
    'upstreams:\n  mail: {backends: ["10.0.0.2:25"], tls: {starttls: smtp}}',
  );
  assertEquals(problemsOf(text), [
    "services[0].routes[0].upstream: expected an upstream without tls.starttls, which is for other protocols than HTTP, " +
    'got "mail"',
  ]);
});

Deno.test("upstreams of routes are in use, and a route back to its own service is warned of", () => {
  assertEquals(warningsOf(httpWith("routes: [{upstream: app}]")), []);
  const looped = httpWith("routes: [{upstream: app}]").replace("10.0.0.1:80", "127.0.0.1:8080");
  assertEquals(warningsOf(looped).length, 1);
  assertEquals(warningsOf(httpWith("routes: [{redirect: {to: /x}}]")), ["upstream app: no service uses it"]);
});

Deno.test("trusted with every address is a warning, and trusted without PROXY headers is not", () => {
  assertEquals(warningsOf(httpWith('upstream: app\ntrusted: ["10.0.0.0/8"]')), []);
  assertEquals(warningsOf(httpWith('upstream: app\ntrusted: ["0.0.0.0/0"]')), [
    "service web: trusted has 0.0.0.0/0: any client may claim any address by X-Forwarded-For",
  ]);
});

Deno.test("pages for errors need to be read", () => {
  const { read } = requiredPermissions(
    parseHttp(httpWith("upstream: app\nerrors: {502: e.html, 503: e.html}")),
  );
  assertEquals(read, ["/etc/culvert/e.html"]);
});

Deno.test("check describes what a service does with requests", () => {
  const text = describeConfig(parseHttp(httpWith(EVERYTHING)));
  const section = /service web[^]*?\n\n/.exec(text)![0];
  assertEquals(
    section,
    `service web (http)
  listen        :8080
  clients       all clients
                at most 10000 connections at once
                at most 1000 of them before their handshake is over; older than 1s, the oldest is evicted first
                addresses of one /32 (IPv4) or /64 (IPv6) are one source
  timeouts      connect 10s, handshake 10s, idle 90s, halfClose 1m, lifetime off, drain 30s
                response 20s, request 2m
  tls           none
  routes        GET, POST *.Example.org/api/: upstream app, as /v2/
                  Path and Domain of cookies are mapped back
                  Host is app.internal:8080
                  requests: remove X-Debug
                  requests: set X-Team: core
                  requests: set X-Who: {client.identity}
                  responses: remove X-Powered-By
                  responses: add X-A: b
                  3 further tries on connect, 502, 503, of requests with Idempotency-Key too
                  timeouts: response 5s, request 1m
                /old: redirect to https://{host}/new{query} (301)
                /healthz: respond with 200, "ok {}", Content-Type: text/plain
  limits        heads of 16KiB and 50 fields at most, bodies of 1MiB at most
  requests      encoded slashes are kept
                known names of fields with underscores are passed on
  forwarded     X-Forwarded-For, -Host, -Proto, -Port, X-Real-IP and Forwarded
                those of 10.0.0.0/8 are believed
                Via: culvert
                X-Request-Id
  error pages   502: /etc/culvert/errors/502.html
                503: /srv/503.json

`,
  );
});
