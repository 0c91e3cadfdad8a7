/**
 * Culvert as a library: a tunnel, a pool, selectors, a balancer over any listener, and mutual TLS over any connection,
 * each usable alone and without a configuration file.
 *
 * @module
 */
export { type Clock, systemClock } from "./core/clock.ts";
export { CulvertError } from "./core/errors.ts";
export type { HistogramSnapshot } from "./core/histogram.ts";
export { type Log, type LogFields, type LogLevel, silentLog } from "./core/log.ts";
export { TimerWheel, type TimerWheelOptions, WheelTimer } from "./core/timer_wheel.ts";

export { type AcceptFailure, AcceptLoop, type AcceptLoopOptions, type Acceptor } from "./net/accept_loop.ts";
export { type Address, formatAddress, parseAddress } from "./net/address.ts";
export { type AddressSet, parseAddressSet } from "./net/address_set.ts";
export { BufferPool, type BufferPoolOptions } from "./net/buffers.ts";
export type { ClientAddress } from "./net/client_address.ts";
export type { ClientHello } from "./net/client_hello/parse.ts";
export type { Connection } from "./net/connection.ts";
export { type Dial, dial } from "./net/dial.ts";
export { DialPermissionError } from "./net/dial_permission.ts";
export { formatProxyV1 } from "./net/proxy_protocol/format_v1.ts";
export { formatProxyV2, type ProxyV2Options } from "./net/proxy_protocol/format_v2.ts";
export { type BoundListener, listen, type ListenOptions, type RuntimeTls } from "./net/listen.ts";
export type { ListenAddress, SocketAccess } from "./net/socket_access.ts";
export { bareConnection, PrefixedConnection } from "./net/prefixed_connection.ts";
export type { ProxyEnds } from "./net/proxy_protocol/endpoints.ts";
export type {
  ProxyAddress,
  ProxyEndpoints,
  ProxyHeader,
  ProxyTls,
  ProxyTlv,
  ProxyTlvs,
} from "./net/proxy_protocol/header.ts";
export {
  type ReadProxyHeader,
  readProxyHeader,
  type ReadProxyHeaderOptions,
} from "./net/proxy_protocol/read.ts";
export { ReadAhead } from "./net/read_ahead.ts";
export {
  type ReadClientHello,
  readClientHello,
  type ReadClientHelloOptions,
} from "./net/client_hello/read.ts";
export { buildSniMap, type SniMap } from "./net/client_hello/sni_map.ts";
export { connectionFromStreams, type StreamPair } from "./net/stream_connection.ts";
export { type ConnectAndReset, connectAndReset } from "./net/connect_and_reset.ts";
export { Tunnel, type TunnelEnd, type TunnelOptions } from "./net/tunnel.ts";

export type { BodyKind } from "./http/body_framing.ts";
export type { HeadLimits } from "./http/field_section.ts";
export { HttpError, type HttpErrorCode } from "./http/http_error.ts";
export type { NormalPathOptions } from "./http/normal_path.ts";
export type {
  HttpFields,
  ParsedRequestHead,
  ParsedResponseHead,
  ParserEvents,
} from "./http/parser_events.ts";
export type { RequestHeadOptions } from "./http/request.ts";
export { RequestParser, type RequestParserOptions } from "./http/request_parser.ts";
export { type ExpectedResponse, ResponseParser } from "./http/response_parser.ts";
export type { TargetForm } from "./http/target.ts";

export { Authority, createAuthority, loadAuthority } from "./tls/authority/authority.ts";
export type {
  AuthorityOptions,
  AuthorityState,
  CrlOptions,
  Issued,
  IssueOptions,
  KeyMaker,
  Names,
} from "./tls/authority/options.ts";
export type { SignedPart } from "./tls/x509/certificate.ts";
export type { RawExtension } from "./tls/authority/certificate_builder.ts";
export type { ClientContextOptions } from "./tls/client_context.ts";
export type { CipherEvents } from "./tls/session/cipher_stream.ts";
export { type Crl, type CrlEntry, type CrlReading, type UnusableCrl } from "./tls/x509/crl/crl.ts";
export { parseCrls, readCrls } from "./tls/x509/crl/read_crls.ts";
export type { CrlScope } from "./tls/x509/distribution_points.ts";
export type { Revocation } from "./tls/authority/crl_builder.ts";
export { type CrlProblem, CrlSet, type CrlSetOptions, type RevocationFinding } from "./tls/x509/crl/set.ts";
export { KEY_ALGORITHMS, type KeyAlgorithm } from "./tls/authority/generate_key.ts";
export type { TlsSession } from "./tls/session/handshake.ts";
export type { TlsConnection } from "./tls/session/tls_connection.ts";
export { type HandshakeReason, TlsHandshakeError } from "./tls/session/handshake_errors.ts";
export { type PeerIdentity, readIdentity } from "./tls/x509/identity.ts";
export { KEY_USAGES, type KeyUsage, REVOCATION_REASONS, type RevocationReason } from "./tls/x509/oids.ts";
export { type AllConditions, type AllowRule, compileRules } from "./tls/authorize/rules.ts";
export type { RuleCondition } from "./tls/authorize/rule_conditions.ts";
export type { ClientTrustOptions, TrustDomainOptions } from "./tls/authorize/client_trust.ts";
export type { ServerContextOptions, TlsVersion } from "./tls/session/server_context.ts";
export type { StartTlsName } from "./tls/starttls/protocol.ts";
export { skipGreeting, type SkipGreetingOptions } from "./tls/starttls/start_tls.ts";
export {
  type BackendSession,
  type OpenConnection,
  type TlsConnect,
  type TlsConnectOptions,
  tlsConnector,
  tlsDial,
  type TlsDialOptions,
} from "./tls/dial.ts";
export { type ClientSession, type Entered, TlsGate, type TlsGateOptions } from "./tls/gate.ts";
export type { PeerVerdict, VerifyPeer } from "./tls/authorize/verify_peer.ts";

export {
  type BalanceName,
  type Balancer,
  type Candidate,
  EmptySetError,
  type PickOptions,
} from "./upstream/balance/balancer.ts";
export { First } from "./upstream/balance/first.ts";
export { LeastConnections } from "./upstream/balance/least_connections.ts";
export { RandomTwoChoices } from "./upstream/balance/random_two_choices.ts";
export { SmoothWeightedRoundRobin } from "./upstream/balance/smooth_weighted_round_robin.ts";
export { SourceHash } from "./upstream/balance/source_hash.ts";
export type { BackendState } from "./upstream/backend.ts";
export type { BackendSpec, OutlierOptions, QueueOptions } from "./upstream/options.ts";
export { type Check, CheckFailedError, type CheckReport } from "./upstream/check/check.ts";
export { HalfOpenCheck, type HalfOpenCheckOptions } from "./upstream/check/half_open_check.ts";
export {
  type CheckAddressOptions,
  HalfOpenChecker,
  type HalfOpenCheckerOptions,
} from "./upstream/check/half_open/checker.ts";
export {
  HalfOpenAlreadyStartedError,
  HalfOpenClosedError,
  HalfOpenConnectError,
  type HalfOpenFailure,
  HalfOpenNotStartedError,
  HalfOpenPermissionError,
  HalfOpenResolveError,
  HalfOpenSystemError,
  HalfOpenTimeoutError,
  HalfOpenUnsupportedError,
} from "./upstream/check/half_open/errors.ts";
export { HeldLibc } from "./upstream/check/half_open/held_libc.ts";
export { HttpCheck, type HttpCheckOptions, type HttpCheckSpec } from "./upstream/check/http_check.ts";
export { libcPaths, type LibcPlatform } from "./upstream/check/half_open/libc_paths.ts";
export type { CheckType, HealthOptions } from "./upstream/check/options.ts";
export { ScriptCheck, type ScriptCheckOptions } from "./upstream/check/script_check.ts";
export type { ScriptStep } from "./upstream/check/script_steps.ts";
export { TcpCheck, type TcpCheckOptions } from "./upstream/check/tcp_check.ts";
export { TlsCheck, type TlsCheckOptions } from "./upstream/check/tls_check.ts";
export { boundedSource, type BoundedSourceOptions } from "./upstream/discover/bounded_source.ts";
export { callbackSource, type Publish } from "./upstream/discover/callback_source.ts";
export { Discovery, type DiscoveryOptions, type DiscoverySettings } from "./upstream/discover/discovery.ts";
export type { DnsQuestion, DnsRecord, DnsType } from "./upstream/discover/dns/message.ts";
export type { DnsAnswer, Resolve, ResolveParts } from "./upstream/discover/dns/resolve.ts";
export { dnsSource, type DnsSourceOptions } from "./upstream/discover/dns/source.ts";
export { DiscoveryError, DnsError } from "./upstream/discover/errors.ts";
export { etcdSource } from "./upstream/discover/etcd/source.ts";
export { EtcdError, type EtcdErrorCode } from "./upstream/discover/etcd/error.ts";
export type { EtcdSourceOptions, EtcdTls, EtcdUser } from "./upstream/discover/etcd/options.ts";
export { fileSource, type FileSourceOptions, type WatchPath } from "./upstream/discover/file_source.ts";
export type { BackendSource, ReportingSource } from "./upstream/discover/source.ts";
export type { NamedSource, SourceStatus } from "./upstream/discover/source_run.ts";
export { staticSource } from "./upstream/discover/static_source.ts";
export type { HealthRules } from "./upstream/check/health.ts";
export { BackendsDownError, ConnectFailedError, NoBackendError } from "./upstream/errors.ts";
export { ConnectTimeoutError, PoolBusyError, PoolClosedError } from "./upstream/pool/errors.ts";
export type { ConnectionKeeper } from "./upstream/pool/keeper.ts";
export { Lease, type LeaseEnd } from "./upstream/pool/lease.ts";
export { type PoolOptions } from "./upstream/pool/options.ts";
export { ConnectionPool, type PoolStats } from "./upstream/pool/pool.ts";
export type { ConnectionPoolOptions } from "./upstream/pool/options.ts";
export {
  PROXY_TLVS,
  type ProxyProtocolOption,
  type ProxySending,
  type ProxyTlvName,
} from "./upstream/proxy_sending.ts";

export type { SourcePrefix } from "./net/source_key.ts";
export type { AdmissionOptions, RateOptions, Timeouts } from "./service/options.ts";
export { TcpProxy } from "./tcp/proxy.ts";
export type { ProxyUpstreamOptions } from "./upstream/proxy_upstream_options.ts";
export type { BackendInput, ProxiedConnection, TcpProxyOptions, TcpProxyStats } from "./tcp/proxy_options.ts";
export type { Reason, Refusal, TlsReason } from "./service/reason.ts";
export type { ServiceCounters } from "./service/service_stats.ts";
export { UrlRewriter, type UrlRewriterOptions } from "./http_proxy/url_rewriter.ts";
export type { Rewriter, ToClientOptions } from "./http_proxy/request_backends.ts";
export type { HttpExchange, HttpHooks } from "./http_proxy/hooks.ts";
export type { AccessRecord } from "./http_proxy/access_log.ts";
export { HttpProxy } from "./http_proxy/http_proxy.ts";
export type {
  HttpProxyBackend,
  HttpProxyOptions,
  HttpProxyStats,
  HttpUpstreamOptions,
} from "./http_proxy/http_proxy_options.ts";
export type { ResponseHeaders } from "./http_proxy/response_headers.ts";
export { HTTP_REASONS, type HttpReason } from "./http_proxy/http_reason.ts";
export {
  DEFAULT_HTTP_LIMITS,
  DEFAULT_HTTP_RETRIES,
  DEFAULT_HTTP_TIMEOUTS,
  type ErrorPage,
  type FieldRules,
  type ForwardedStyle,
  type HttpLimits,
  type HttpRoute,
  type HttpServiceOptions,
  type HttpTimeouts,
  type RedirectOptions,
  type RedirectStatus,
  type RespondOptions,
  type RetryCondition,
  type RetryOptions,
  type RouteMatch,
} from "./http_proxy/options.ts";
export type { RequestCounters, StatusClass } from "./http_proxy/http_stats.ts";
export { ProxyError, type ProxyErrorOptions, type ProxyOperation } from "./http_proxy/proxy_error.ts";
export { HttpPool } from "./http_proxy/http_pool.ts";
export type {
  HandleOptions,
  HttpPoolConfig,
  HttpPoolOptions,
  HttpPoolSnapshot,
  PoolBackendInput,
  PoolBackendOptions,
  PoolBackendSnapshot,
  PoolLease,
  PoolRequest,
  PoolRoute,
  PoolTls,
} from "./http_proxy/pool/options.ts";
export type { PoolBackend } from "./http_proxy/pool/pool_backend.ts";
export { HttpConnections, type HttpConnectionsOptions } from "./http_proxy/http_connections.ts";
