/** What `--help` prints. */
export const USAGE = `Culvert, a secure proxy for TCP.

  culvert --config FILE             run the proxy (also: culvert run --config FILE)
  culvert check --config FILE       say whether the file is good, and what it would do
  culvert permissions --config FILE print the Deno permission flags that the file needs, no wider
  culvert certs DIR …               make a CA, certificates and a CRL, for trying mutual TLS
  culvert demo                      three small backends and a proxy in front, to look at

  --config FILE   the configuration, as YAML or JSON; - reads standard input
  --watch         of permissions: the folders of the files that are read, so that changes are noticed
  --help          this text
  --version       the version

Signals: SIGHUP reloads, SIGTERM and SIGINT drain, a second one ends at once.
Exit codes: 0 stopped after a full drain; 1 failed, or connections were cut; 64 bad usage;
77 a permission is missing; 78 bad configuration.
`;
