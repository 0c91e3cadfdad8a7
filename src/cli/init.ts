/** The kinds of starter files. */
export const INIT_KINDS = ["tcp", "mtls-server", "mtls-client", "sni", "http"] as const;
/** One of {@linkcode INIT_KINDS}. */
export type InitKind = typeof INIT_KINDS[number];

/** A commented starter file, which is a good configuration as it stands. */
export function starterFile(kind: InitKind): string {
  return `${HEADS[kind]}#
# All keys are described in docs/configuration.md. Try this file with:
#   culvert check --config FILE
#   culvert permissions --config FILE   (the flags for deno run)
#   culvert --config FILE
version: 1

${COMMON}
${BODIES[kind]}`;
}

const COMMON = `log:
  level: info # debug | info | warn | error
  format: text # or json

admin: # status, metrics and draining; for culvert status and culvert top
  listen: 127.0.0.1:9901
`;

const HEADS: Readonly<Record<InitKind, string>> = {
  tcp: `# TCP connections, spread over several servers.
`,
  "mtls-server":
    `# Mutual TLS in front of a server that speaks plain TCP: only clients with a certificate that a rule allows
# are connected. The other end is the starter file mtls-client, or any program with a client certificate.
`,
  "mtls-client":
    `# Plain TCP for local programs, carried to another machine over TLS with a client certificate.
# The other end is the starter file mtls-server.
`,
  sni: `# TLS passed on by the server name that clients ask for, without decrypting it.
`,
  http: `# HTTP requests, routed by host and path.
`,
};

const BODIES: Readonly<Record<InitKind, string>> = {
  tcp: `upstreams:
  db:
    balance: least-connections # round-robin for short connections
    backends:
      - 10.0.0.11:5432
      - 10.0.0.12:5432
      - { address: "10.0.0.13:5432", backup: true } # used while no other one is available
    health:
      type: tcp # or tls, http, script: see docs/health_checks.md
      interval: 5s

services:
  - name: postgres
    listen: ["127.0.0.1:5432"]
    # allow: ["10.0.0.0/8"] # absent: all addresses
    maxConnections: 1000
    timeouts: { idle: 8h } # applications keep idle connections in their pools
    upstream: db

# What must be allowed and refused; culvert check runs these tests.
tests:
  - { service: postgres, from: 127.0.0.1, expect: accept }
`,
  "mtls-server": `upstreams:
  db:
    backends: ["127.0.0.1:5432"]

services:
  - name: postgres-mtls
    listen: [":7432"]
    tls:
      cert: certs/server.pem # culvert certs certs makes all of these, for trying it
      key: certs/server.key
      minVersion: "1.3"
      clientAuth:
        ca: certs/ca.pem # the CAs that may have issued the certificates of clients
        crl: certs/ca.crl # what has been revoked; a CRL that has expired refuses every client
        allow: # which of them; one rule that holds is enough
          - uri: spiffe://example.org/apps/*
          # - dns: app.example.org
          # - cn: client
    upstream: db

# What must be allowed and refused; culvert check runs these tests.
tests:
  - { service: postgres-mtls, expect: tls-no-certificate }
  # - { service: postgres-mtls, cert: certs/client.pem, expect: accept }
`,
  "mtls-client": `upstreams:
  db:
    backends: ["db.example.org:7432"]
    tls:
      ca: certs/ca.pem # the CAs that may have issued the certificate of the server
      cert: certs/client.pem # the certificate that is shown to the server
      key: certs/client.key
      serverName: db.example.org # must be in the certificate of the server
    health: { type: tls, interval: 10s }

services:
  - name: postgres
    listen: ["127.0.0.1:5432"] # only programs of this machine
    timeouts: { idle: 8h }
    upstream: db

tests:
  - { service: postgres, expect: accept }
`,
  sni: `upstreams:
  app:
    backends: ["10.0.0.11:443", "10.0.0.12:443"]
    health: { type: tcp }
  other:
    backends: ["10.0.0.21:443"]

services:
  - name: tls
    listen: [":8443"]
    sni:
      app.example.org: app
      "*.example.org": other # one label, such as www.example.org
    # upstream: other # for other names and for clients that send none; absent: these are refused

# What must be allowed and refused; culvert check runs these tests.
tests:
  - { service: tls, sni: app.example.org, expect: { verdict: accept, upstream: app } }
  - { service: tls, sni: www.example.org, expect: { verdict: accept, upstream: other } }
  - { service: tls, sni: example.com, expect: refused-by-name }
`,
  http: `upstreams:
  app:
    backends: ["127.0.0.1:3000", "127.0.0.1:3001"]
    health: { type: http, http: { path: /healthz, expect: "200-299" } }
  api:
    backends: ["127.0.0.1:4000"]

services:
  - name: web
    protocol: http
    listen: [":8080"]
    # tls: { cert: certs/server.pem, key: certs/server.key } # then the tests below have https://
    limits: { bodySize: 10MiB }
    routes: # the longest path wins, then the most precise host
      - match: { path: / }
        upstream: app
      - match: { path: /api, methods: [GET, POST] }
        rewrite: / # /api/users is asked for as /users
        upstream: api
        retries: { attempts: 2, on: [connect, 502, 503] } # only requests that may be sent twice
      - match: { path: /old }
        redirect: { to: "/new{query}", status: 301 }

# What must be allowed and refused; culvert check runs these tests.
tests:
  - service: web
    url: http://www.example.org/api/users
    expect: { verdict: accept, upstream: api, target: /users }
  - { service: web, method: DELETE, url: "http://www.example.org/api/users", expect: no-method }
`,
};
