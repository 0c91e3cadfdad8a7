import { assert, assertEquals } from "@std/assert";
import type { RawConnection, RawOrigin } from "../proxy_fixture.ts";
import { readAnswers, readMessage, type TextMessage } from "./messages.ts";
import {
  DEFAULT_ANSWER,
  type StrictnessCase,
  type WantedAnswer,
  type WantedRequest,
} from "./strictness_case.ts";

const SENTINEL = "GET /sentinel HTTP/1.1\r\nHost: sentinel\r\nConnection: close\r\n\r\n";
const SENTINEL_ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsentinel";

/** What a case has shown. */
export interface CaseResult {
  /** All that the client has received. */
  readonly received: string;
  /** The client's connection was broken. */
  readonly broken: boolean;
  /** All that the origin has received, by connection. */
  readonly seen: readonly string[];
}

/** Serves what the case says on each connection of the origin; the sentinel is always answered. */
export function originFor(wanted: StrictnessCase): RawOrigin["serve"] {
  let first = true;
  return async (connection) => {
    for (let at = 0;;) {
      let message: TextMessage | undefined;
      const isHead = first && wanted.answersAt === "head";
      await connection.until(() => {
        message = readMessage(connection.received, { at, body: "none" });
        return message !== undefined && (isHead || message.complete);
      });
      if (message === undefined || (!isHead && !message.complete)) return;
      const start = at;
      at = message.end;
      if (message.line.startsWith("GET /sentinel ")) {
        await connection.send(SENTINEL_ANSWER);
        continue;
      }
      await connection.send(first ? wanted.origin ?? DEFAULT_ANSWER : DEFAULT_ANSWER);
      if (first && wanted.final !== undefined) {
        await connection.until(() => readMessage(connection.received, { at: start, body: "none" })!.complete);
        await connection.send(wanted.final);
        at = readMessage(connection.received, { at: start, body: "none" })!.end;
      }
      const isLast = first && wanted.then === "close";
      first = false;
      if (isLast) return connection.close();
    }
  };
}

/** Carries the steps of a client out; ends with the end of its connection. */
export async function runClient(client: RawConnection, wanted: StrictnessCase): Promise<void> {
  try {
    for (const step of wanted.client) {
      if (step === "END") await client.end();
      else if (typeof step === "string") await client.send(step);
      else await client.receive(step.until);
    }
    if (wanted.connection === "open") {
      await client.until(() => finals(client.received, wanted).length >= finalStatuses(wanted).length);
      await client.send(SENTINEL);
    }
  } catch {
    // Refused before all was sent.
  }
  await client.done;
}

function finals(text: string, wanted: StrictnessCase): TextMessage[] {
  try {
    const answers = readAnswers(text, methodsOf(wanted));
    return answers.filter(({ status, complete }) => status >= 200 && complete);
  } catch {
    return [];
  }
}

function finalStatuses({ answers }: StrictnessCase): number[] {
  return answers.map(statusOf).filter((status) => status >= 200);
}

function statusOf(answer: number | WantedAnswer): number {
  return typeof answer === "number" ? answer : answer.status;
}

/** The methods of the requests, as far as they matter: which of them are HEAD. */
function methodsOf({ client }: StrictnessCase): string[] {
  const text = client.filter((step) => typeof step === "string" && step !== "END").join("");
  return [...text.matchAll(/(?:^|\r\n|[^A-Z])(GET|HEAD|POST|PUT|OPTIONS|DELETE) \S+ HTTP\/1\.[01]\r\n/g)]
    .map((match) => match[1]!);
}

/** Compares what both ends have seen with what the case says. */
export function checkCase(wanted: StrictnessCase, { received, broken, seen }: CaseResult): void {
  const { connection = "closed", requests = [] } = wanted;
  const answers = readAnswers(received, methodsOf(wanted));
  if (connection === "open") {
    const last = answers.pop();
    assertEquals(last?.body, "sentinel", `the connection is not open: ${JSON.stringify(received)}`);
  }
  assertEquals(answers.map(({ status }) => status), wanted.answers.map(statusOf), JSON.stringify(received));
  wanted.answers.forEach((answer, i) => {
    if (typeof answer !== "number") checkAnswer(answers[i]!, answer, broken);
  });
  if (
    connection === "closed" && answers.length > 0 && statusOf(wanted.answers.at(-1)!) >= 400 && !wanted.origin
  ) {
    const isTold = answers.at(-1)!.fields.some((line) => line.toLowerCase() === "connection: close");
    assert(isTold, `it does not say that it closes: ${JSON.stringify(received)}`);
  }
  if (requests === "any") return;
  const whole = seen.flatMap(wholeRequests).filter(({ line }) => !line.startsWith("GET /sentinel "));
  const lines = requests.map((request) => typeof request === "string" ? request : request.line);
  assertEquals(whole.map(({ line }) => line), lines, JSON.stringify(seen));
  requests.forEach((request, i) => {
    if (typeof request !== "string") checkMessage(whole[i]!, request);
  });
}

function checkAnswer(answer: TextMessage, wanted: WantedAnswer, broken: boolean): void {
  checkMessage(answer, wanted);
  const isWhole = answer.complete && !broken;
  assertEquals(isWhole, !(wanted.cut ?? false), `whole: ${JSON.stringify(answer)}, broken: ${broken}`);
}

function checkMessage(
  message: TextMessage,
  wanted: Omit<WantedAnswer & WantedRequest, "line" | "status">,
): void {
  const text = JSON.stringify(message);
  for (const line of wanted.has ?? []) assert(message.fields.includes(line), `no ${line} in ${text}`);
  for (const name of wanted.lacks ?? []) {
    assert(!message.fields.some((line) => line.startsWith(`${name}: `)), `${name} in ${text}`);
  }
  if (wanted.body !== undefined) assertEquals(message.body, wanted.body, text);
  if (wanted.trailers !== undefined) assertEquals(message.trailers, wanted.trailers, text);
}

function wholeRequests(text: string): TextMessage[] {
  const requests: TextMessage[] = [];
  for (let at = 0; at < text.length;) {
    const message = readMessage(text, { at, body: "none" });
    if (message === undefined || !message.complete) break;
    requests.push(message);
    at = message.end;
  }
  return requests;
}
