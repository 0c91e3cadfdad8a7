/** Where the certificates of a run are, all of them in PEM. */
export interface CertificatePaths {
  ca: string;
  serverCert: string;
  serverKey: string;
  /** The server's certificate and its key in one file, as HAProxy wants them. */
  serverBoth: string;
  clientCert: string;
  clientKey: string;
}

/** The paths in a run's directory; `writeCertificates` puts the files there. */
export function certificatePaths(directory: string): CertificatePaths {
  return {
    ca: `${directory}/ca.pem`,
    serverCert: `${directory}/server.pem`,
    serverKey: `${directory}/server.key`,
    serverBoth: `${directory}/server-both.pem`,
    clientCert: `${directory}/client.pem`,
    clientKey: `${directory}/client.key`,
  };
}
