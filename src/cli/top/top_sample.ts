import { isMapping } from "../../config/schema/fields.ts";
import type { AdminClient } from "../admin/admin_client.ts";
import { answerText, type ProgramState, readProgram } from "../admin/read_program.ts";
import type { TopViewName } from "./top_view.ts";

/** An open connection, as the admin API lists it. */
export interface OpenConnection {
  readonly id: string;
  readonly service: string;
  readonly client: string;
  readonly identity?: string;
  readonly backend?: string;
  readonly state: string;
  readonly ageMs: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** The open connections. */
export interface OpenConnections {
  /** How many there are. */
  readonly total: number;
  /** Those that are listed. */
  readonly sessions: readonly OpenConnection[];
  /** Why they can't be listed. */
  readonly problem?: string;
}

/** What is known of a program at one moment. */
export interface TopSample {
  readonly program: ProgramState;
  /** Absent: they were not asked for. */
  readonly connections?: OpenConnections;
}

/**
 * Asks for what a view shows.
 *
 * @throws {AdminUnreachableError}
 */
export async function readSample(
  client: AdminClient,
  { name, view }: { name: string; view: TopViewName },
): Promise<TopSample> {
  const program = await readProgram(client, name);
  if (view !== "connections") return { program };
  const answer = await client.get("/api/connections?descending=true");
  const { json } = answer;
  if (answer.status === 200 && isMapping(json) && Array.isArray(json.sessions)) {
    return { program, connections: json as unknown as OpenConnections };
  }
  return { program, connections: { total: 0, sessions: [], problem: answerText(answer) } };
}
