import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** `up` is from the client to the service, `down` is back. */
export type Way = 'up' | 'down';

/** What a line does to the bytes of one connection. All optional; nothing of it: they go through. */
export interface Toxic {
  /** Before each piece goes on, ms. */
  readonly latencyMs?: number;
  readonly bytesPerSecond?: number;
  /** Bytes of the pieces that it is cut into, each sent by itself. */
  readonly sliceBytes?: number;
  /** The end of the connection before its time. */
  readonly end?: End;
}

export interface End {
  readonly way: Way;
  /** Bytes that go through first; the end comes with the next one, or with the last of them. */
  readonly after: number;
  /** Whether they count from behind the head of the request or of the answer. Default false. */
  readonly pastHead?: boolean;
  /** `reset` and `close` as TCP has them; `stall` keeps the connection and moves nothing more. */
  readonly how: 'reset' | 'close' | 'stall';
}

/** A line of TCP to a service on loopback. */
export interface Proxy extends AsyncDisposable {
  readonly origin: string;
  /** Connections so far. */
  connections(): number;
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** Opens a line to a port; `toxic` says what befalls each connection, by its number from 1. */
export async function proxyTo(
  port: number,
  toxic: (connection: number) => Toxic | null,
): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const service = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const line = new Line(client, service, toxic(++count) ?? {});
    for (const socket of [client, service]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('close', () => sockets.delete(socket));
      // A connection that breaks is what a line is for: its other end is broken too.
      socket.on('error', () => line.cut());
    }
    void line.relay('up');
    void line.relay('down');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => count,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

/** One connection: two sockets and what happens between them. */
class Line {
  readonly #client: Socket;
  readonly #service: Socket;
  readonly #toxic: Toxic;

  constructor(client: Socket, service: Socket, toxic: Toxic) {
    this.#client = client;
    this.#service = service;
    this.#toxic = toxic;
  }

  cut(): void {
    this.#client.destroy();
    this.#service.destroy();
  }

  async relay(way: Way): Promise<void> {
    const [from, to] = way === 'up' ? [this.#client, this.#service] : [this.#service, this.#client];
    const end = this.#toxic.end?.way === way ? this.#toxic.end : null;
    const room = new Room(end);
    try {
      for await (const chunk of from) {
        for (const piece of this.#pieces(room.take(chunk as Buffer))) {
          await this.#pass(piece, to);
        }
        if (end !== null && room.isSpent) await this.#end(end);
      }
      to.end();
    } catch {
      this.cut();
    }
  }

  *#pieces(chunk: Buffer): Iterable<Buffer> {
    const { sliceBytes = chunk.length } = this.#toxic;
    for (let at = 0; at < chunk.length; at += sliceBytes) {
      yield chunk.subarray(at, at + sliceBytes);
    }
  }

  async #pass(piece: Buffer, to: Socket): Promise<void> {
    const { latencyMs = 0, bytesPerSecond = Infinity } = this.#toxic;
    const waitMs = latencyMs + (1000 * piece.length) / bytesPerSecond;
    if (waitMs > 0) await delay(waitMs);
    if (!to.write(piece)) await once(to, 'drain');
  }

  async #end({ how }: End): Promise<void> {
    if (how === 'stall') {
      await once(this.#client, 'close');
      return;
    }
    // The service sees its caller go away; what it has read, it may do all the same.
    this.#service.destroy();
    if (how === 'reset') this.#client.resetAndDestroy();
    else this.#client.end();
  }
}

/** How much more goes through before the end. */
class Room {
  #left: number;
  /** The head's last bytes, while it is not over. */
  #head: Buffer | null;

  constructor(end: End | null) {
    this.#left = end?.after ?? Number.POSITIVE_INFINITY;
    this.#head = end?.pastHead === true ? Buffer.alloc(0) : null;
  }

  get isSpent(): boolean {
    return this.#head === null && this.#left <= 0;
  }

  take(chunk: Buffer): Buffer {
    let head = 0;
    if (this.#head !== null) {
      const seen = Buffer.concat([this.#head, chunk]);
      const at = seen.indexOf(HEAD_END);
      if (at === -1) {
        this.#head = seen.subarray(-HEAD_END.length);
        return chunk;
      }
      head = at + HEAD_END.length - this.#head.length;
      this.#head = null;
    }
    const taken = chunk.subarray(0, head + this.#left);
    this.#left -= taken.length - head;
    return taken;
  }
}
