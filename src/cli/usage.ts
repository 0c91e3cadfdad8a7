/** What `--help` prints. */
export const USAGE = `Culvert, a secure proxy for TCP and HTTP.

  culvert --config FILE             run the proxy (also: culvert run --config FILE)
  culvert check --config FILE       validate the file and print what it does; binds nothing
  culvert permissions --config FILE print the Deno permission flags that the file needs, and no more
  culvert certs DIR …               make a CA, certificates and a CRL, for trying mutual TLS
  culvert demo                      run the proxy in front of three small backends

  --config FILE   the configuration, as YAML or JSON; - reads standard input
  --watch         for permissions: include the folders of the files, so that changes are detected
  --help          print this help
  --version       print the version

Signals: SIGHUP reloads; SIGTERM and SIGINT drain, and a second one stops at once.
Exit codes: 0 stopped after a full drain; 1 failed, or connections were cut; 64 bad usage;
77 a permission is missing; 78 bad configuration.
`;
