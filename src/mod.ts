export type { Connection } from "./net/connection.ts";
