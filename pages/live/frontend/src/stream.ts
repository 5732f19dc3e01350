import type { Command, Packet } from "./types";

const RETRY_MS = 400;
const RETRY_MOST_MS = 5000;
const HIDDEN_MS = 15_000; // a tab in the background drops its stream after this long and catches up later

export type Link = "connecting" | "open" | "lost" | "unknown" | "asleep";

/** The WebSocket of one run: asks for what is new after the newest known record, and comes back by itself. */
export class Stream {
  private socket: WebSocket | null = null;
  private retry = RETRY_MS;
  private timer = 0;
  private hide = 0;
  private closed = false;
  link: Link = "connecting";

  constructor(
    private readonly run: string,
    private readonly after: () => number,
    private readonly onPacket: (packet: Packet) => void,
    private readonly onLink: () => void,
  ) {
    document.addEventListener("visibilitychange", this.onVisibility);
    this.open();
  }

  send(command: Command): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(command));
    return true;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.hide);
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.socket?.close();
  }

  private open(): void {
    if (this.closed || this.link === "asleep") return;
    const url = new URL(`/layerloom/live/${this.run}?after=${this.after()}`, document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onopen = () => this.become("open");
    socket.onmessage = (event) => {
      this.retry = RETRY_MS;
      if (socket === this.socket && !this.closed) this.onPacket(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      if (this.closed || socket !== this.socket || this.link === "asleep") return;
      this.become(event.code === 4404 ? "unknown" : "lost");
      if (event.code !== 4404) this.timer = window.setTimeout(() => this.open(), this.retry);
      this.retry = Math.min(RETRY_MOST_MS, this.retry * 2);
    };
  }

  private become(link: Link): void {
    this.link = link;
    this.onLink();
  }

  private readonly onVisibility = (): void => {
    clearTimeout(this.hide);
    if (document.hidden) {
      this.hide = window.setTimeout(() => {
        this.become("asleep");
        this.socket?.close();
      }, HIDDEN_MS);
    } else if (this.link === "asleep") {
      this.become("connecting");
      this.open();
    }
  };
}
