import { Child, output } from "./child.ts";
import { freePort, TemporaryFolder } from "./folder.ts";
import { findProgram } from "./installed.ts";
import { until } from "./wait.ts";

/** A third-party server in a folder of its own. Disposing of it ends it and removes the folder. */
export interface Server extends AsyncDisposable {
  /** As a configuration names it. */
  readonly address: string;
  readonly port: number;
  readonly folder: TemporaryFolder;
}

/** What to run once there are a folder and a port. */
interface ServerSpec {
  readonly program: string;
  args(place: { folder: TemporaryFolder; port: number }): Promise<readonly string[]>;
  readonly uid?: number;
}

const ATTEMPTS = 3;

/** nginx's module for TCP, where Debian's package has put it. */
export const NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so";

/** nginx with these `server` blocks. `PORT` in them stands for its port, `FOLDER` for its folder. */
export function startNginx(servers: string): Promise<Server> {
  return startServer({
    program: "nginx",
    async args({ folder, port }) {
      const file = folder.file("nginx.conf");
      const text = nginxConfig(servers).replaceAll("PORT", String(port)).replaceAll("FOLDER", folder.path);
      await Deno.writeTextFile(file, text);
      return ["-e", "stderr", "-p", folder.path, "-c", file];
    },
  });
}

/** nginx with this in its `stream` block. `PORT` in it stands for its port. Needs {@linkcode NGINX_STREAM}. */
export function startNginxStream(content: string): Promise<Server> {
  return startServer({
    program: "nginx",
    async args({ folder, port }) {
      const file = folder.file("nginx.conf");
      const load = exists(NGINX_STREAM) ? `load_module ${NGINX_STREAM};\n` : "";
      const text = `${load}${NGINX_HEAD}stream {\n${content}\n}\n`.replaceAll("PORT", String(port));
      await Deno.writeTextFile(file, text);
      return ["-e", "stderr", "-p", folder.path, "-c", file];
    },
  });
}

/** HAProxy with these sections after its defaults, in TCP mode. `PORT` in them stands for its port. */
export async function startHaproxy(sections: string): Promise<Server> {
  const folder = new TemporaryFolder();
  const stop = new AsyncDisposableStack();
  stop.use(folder);
  const port = freePort();
  const file = folder.file("haproxy.cfg");
  const admin = folder.file("admin.sock");
  await Deno.writeTextFile(file, haproxyConfig(sections, admin).replaceAll("PORT", String(port)));
  const child = stop.use(new Child({ program: "haproxy", args: ["-db", "-f", file] }));
  // Its port is not asked: it would carry the question on to its servers.
  await until(() => !child.running || exists(admin), { what: "HAProxy to start" });
  return { address: `127.0.0.1:${port}`, port, folder, [Symbol.asyncDispose]: () => stop.disposeAsync() };
}

/** Redis that keeps nothing on disk. */
export function startRedis(): Promise<Server> {
  return startServer({
    program: "redis-server",
    args: ({ folder, port }) => {
      const bind = ["--bind", "127.0.0.1", "--port", String(port)];
      return Promise.resolve([...bind, "--save", "", "--appendonly", "no", "--dir", folder.path]);
    },
  });
}

/** The path of a program of PostgreSQL's server, which Debian keeps out of PATH; `undefined` if there is none. */
export function findPostgres(name: string): string | undefined {
  const versions = "/usr/lib/postgresql";
  try {
    for (const { name: version } of Deno.readDirSync(versions)) {
      const path = `${versions}/${version}/bin/${name}`;
      if (Deno.statSync(path).isFile) return path;
    }
  } catch {
    // Not from Debian's packages.
  }
  return findProgram(name);
}

/** PostgreSQL with an empty cluster, whose superuser `culvert` needs no password. */
export async function startPostgres(): Promise<Server> {
  const owner = Deno.uid() === 0 ? { uid: Number(await output("id", ["-u", "postgres"])) } : {};
  return await startServer({
    program: findPostgres("postgres")!,
    ...owner,
    async args({ folder, port }) {
      const data = folder.file("data");
      if (owner.uid !== undefined) await Deno.chown(folder.path, owner.uid, null);
      const init = ["-D", data, "-U", "culvert", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"];
      await output(findPostgres("initdb")!, init, owner);
      const settings = ["listen_addresses=127.0.0.1", `port=${port}`, "fsync=off"];
      const sockets = `unix_socket_directories=${folder.path}`;
      return ["-D", data, ...[...settings, sockets].flatMap((setting) => ["-c", setting])];
    },
  });
}

/** Starts a server on a port that was free just now; on another one if it has been taken since. */
async function startServer(spec: ServerSpec): Promise<Server> {
  for (let attempt = 1;; attempt++) {
    const folder = new TemporaryFolder();
    const port = freePort();
    const stop = new AsyncDisposableStack();
    stop.use(folder);
    try {
      const args = await spec.args({ folder, port });
      const { program, uid } = spec;
      const child = stop.use(new Child({ program, args, ...(uid === undefined ? {} : { uid }) }));
      await until(() => answers(child, port), { what: `${program} to listen on port ${port}` });
      return { address: `127.0.0.1:${port}`, port, folder, [Symbol.asyncDispose]: () => stop.disposeAsync() };
    } catch (error) {
      await stop.disposeAsync();
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

async function answers(child: Child, port: number): Promise<boolean> {
  if (!child.running) throw new Error(`the server has ended: ${child.stderr}${child.stdout}`);
  try {
    using _connection = await Deno.connect({ hostname: "127.0.0.1", port });
    return true;
  } catch {
    return false;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function haproxyConfig(sections: string, admin: string): string {
  return `global
  stats socket ${admin}
defaults
  mode tcp
  timeout connect 10s
  timeout client 10s
  timeout server 10s
${sections}
`;
}

/** As root its worker would change to a user who may not enter the folder. */
const NGINX_HEAD = `daemon off;
${Deno.uid() === 0 ? "user root;" : ""}
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
`;

function nginxConfig(servers: string): string {
  return `${NGINX_HEAD}http {
  access_log off;
  client_max_body_size 0;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
${servers}
}
`;
}
