/**
 * What to do about connections and requests that were refused or failed, by the reason of their access line. Shown by the
 * live page; `docs/operations.md` has the same texts.
 */
export const REASON_HELP: Readonly<Record<string, string>> = {
  "backend-closed": "See the log of the backend: it ended the connection before its response was whole.",
  "backend-reset": "See the log of the backend: it may have crashed, or reached a limit of connections.",
  "backend-removed":
    "None if the backend was removed on purpose; `onRemove: drain` lets its connections finish.",
  "backend-down": "See why the health checks of the backend fail; `onDown: keep` keeps its connections.",
  "no-backend": "Add backends, raise `maxConnections` or a weight, or end a drain.",
  "backends-down": "See why the health checks or connections of the backends fail.",
  "connect-failed": "Check that the backend runs, listens on this address and is not blocked by a firewall.",
  "queue-full": "Add backends, or raise `maxConnections` of the backends or `queue.max`.",
  "queue-timeout": "Add backends, or raise `maxConnections` of the backends or `queue.timeout`.",
  "worker-failed": "Report the error in the log; it is a fault of Culvert. The worker has been replaced.",
  "no-descriptors": "Raise the limit of open files (`ulimit -n`, `LimitNOFILE`), or lower `maxConnections`.",
  "refused-by-descriptors":
    "Raise the limit of open files (`ulimit -n`, `LimitNOFILE`), or lower `maxConnections`.",
  "refused-by-deny": "None if the client may not connect; otherwise change `deny` of the service.",
  "refused-by-allow":
    "None if the client may not connect; otherwise add its address to `allow` of the service.",
  "refused-by-rate": "None if the client connects too often; otherwise raise `rate` of the service.",
  "refused-by-limit": "Raise `maxConnections` of the service if the machine and the backends can serve more.",
  "refused-by-handshakes":
    "Raise `maxHandshakes`; many silent clients from few sources are likely an attack.",
  "refused-by-proxy":
    "Send a PROXY header from the load balancer in front, and list its address in `trusted`.",
  "refused-by-name": "Add the server name to `sni`, or set `upstream` for all other names.",
  "handshake": "Check the network to the client; clients that stay silent are likely scanners.",
  "cut": "Raise `timeouts.drain` if such connections need more time to finish.",
  "tls-no-certificate": "Configure a client certificate in the client, or set `clientAuth.mode: optional`.",
  "tls-unknown-ca": "Have the certificate issued by a CA of `clientAuth.ca`, or send its intermediate CAs.",
  "tls-bad-signature":
    "Have the client use a certificate that its issuer has signed; its chain may be mixed up.",
  "tls-unsupported-signature": "Have the certificate issued again with SHA-256 or better.",
  "tls-expired": "Renew the certificate, or check the clock of this machine.",
  "tls-not-yet-valid": "Check the clock of this machine and the start of validity of the certificate.",
  "tls-wrong-usage": "Have the certificate issued again with the extended key usage for clients.",
  "tls-bad-certificate": "Have the certificate issued again; `error` says what cannot be read.",
  "tls-name-not-permitted": "Have the certificate issued by a CA whose name constraints permit its names.",
  "tls-no-policy": "Have the certificate issued with a policy that its CAs require.",
  "tls-too-large": "Use smaller certificates or a shorter chain.",
  "tls-revoked": "Issue a new certificate to the client if it is still trusted.",
  "tls-crl-missing": "Install the CRL of the issuer at the path of `clientAuth.crl`.",
  "tls-crl-expired": "Install a current CRL; until then all certificates of its issuer are rejected.",
  "tls-crl-not-yet-valid": "Check the clock of this machine, or install a current CRL.",
  "tls-crl-unreadable": "Install the CRL again; the log says what is wrong with the file.",
  "tls-wrong-trust-domain": "Add the trust domain and its bundle to `trustDomains`, or reject the client.",
  "tls-not-allowed": "None if the client may not connect; otherwise add a rule to `clientAuth.allow`.",
  "tls-no-shared-version": "Update the client, or lower `tls.minVersion`.",
  "tls-no-shared-cipher": "Update the client: it offers no cipher suite that is supported.",
  "tls-no-shared-alpn": "Configure the client for a protocol in `tls.alpn`, or change `tls.alpn`.",
  "tls-not-tls": "Configure the client for TLS; a plain client or a scanner has connected.",
  "tls-bad-message": "Update the client; a scanner or a broken TLS implementation has connected.",
  "tls-no-starttls": "Configure the client to require TLS.",
  "tls-bad-starttls": "Configure the client for the protocol that `tls.starttls` names.",
  "tls-plaintext-injection": "Find out what is between the client and this machine: it may be an attack.",
  "tls-refused-by-peer":
    "Give the client the CA of `tls.cert`, and use a certificate with the name it connects to.",
  "tls-aborted": "None if it is rare; otherwise see the log of the client.",
  "tls-failed": "See `error`, and the log of the client.",
  "bad-request": "See `error` and the client: its requests are outside the grammar of HTTP/1.1.",
  "too-large": "Raise `limits` of the service if such requests are legitimate.",
  "no-route": "Add a route for this host and path, or correct the client's URL.",
  "no-method": "Add the method to `match.methods` of the route, or correct the client.",
  "request-timeout": "Check the network to the client, or raise `timeouts.handshake` or `timeouts.idle`.",
  "bad-response": "See `error` and the backend: its responses are outside the grammar of HTTP/1.1.",
  "response-timeout": "See why the backend is slow, or raise `timeouts.response` of the route.",
  "request-lifetime": "See why requests take so long, or raise `timeouts.request`.",
  "failed": "Please report it as a bug, with the log.",
};

/** What to do about a reason without a text of its own. */
export const OTHER_HELP = "See `error` and the log.";
