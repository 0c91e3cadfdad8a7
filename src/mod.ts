/**
 * Culvert as a library: a tunnel, a pool, selectors and a balancer over any listener, each usable alone and without
 * a configuration file.
 *
 * @module
 */
export { type Clock, systemClock } from "./core/clock.ts";
export { CulvertError } from "./core/errors.ts";
export { type Log, type LogFields, type LogLevel, silentLog } from "./core/log.ts";
export { TimerWheel, type TimerWheelOptions, WheelTimer } from "./core/timer_wheel.ts";

export { AcceptLoop, type AcceptLoopOptions, type Acceptor } from "./net/accept_loop.ts";
export { type Address, formatAddress, parseAddress } from "./net/address.ts";
export { type AddressSet, parseAddressSet } from "./net/address_set.ts";
export { BufferPool, type BufferPoolOptions } from "./net/buffers.ts";
export type { Connection } from "./net/connection.ts";
export { type Dial, dial } from "./net/dial.ts";
export { type BoundListener, listen } from "./net/listen.ts";
export { ReadAhead } from "./net/read_ahead.ts";
export { connectionFromStreams, type StreamPair } from "./net/stream_connection.ts";
export { Tunnel, type TunnelEnd, type TunnelOptions } from "./net/tunnel.ts";

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
export {
  ConnectFailedError,
  ConnectTimeoutError,
  NoBackendError,
  PoolClosedError,
} from "./upstream/errors.ts";
export { Lease, type LeaseEnd } from "./upstream/lease.ts";
export { type PoolOptions } from "./upstream/options.ts";
export { ConnectionPool, type ConnectionPoolOptions, type PoolStats } from "./upstream/pool.ts";

export type { AdmissionOptions, RateOptions, Timeouts } from "./tcp/options.ts";
export {
  type BackendInput,
  type ProxiedConnection,
  TcpProxy,
  type TcpProxyOptions,
  type TcpProxyStats,
} from "./tcp/proxy.ts";
export type { Reason, Refusal } from "./tcp/reason.ts";
export type { TcpServiceStats } from "./tcp/service.ts";
