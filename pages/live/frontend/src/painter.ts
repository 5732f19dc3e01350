import type { Card } from "./card";

const PERIOD_MS = 60; // between two redraws of one chart at the least
const SHARE = 0.65; // of the main thread that drawing may take

const FRAME_MS = 10; // of one animation frame; what takes longer waits for the next

/**
 * Draws what is dirty and on screen in animation frames, within a share of the main thread. A slow machine gets
 * fewer pictures, never a queue of them: each picture shows the newest state.
 */
export class Painter {
  private frame = 0;
  private timer = 0;

  constructor(private readonly cards: Card[], private readonly draw: (card: Card) => void) {}

  kick = (): void => {
    if (!this.frame) this.frame = requestAnimationFrame(this.tick);
  };

  stop(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
  }

  private readonly tick = (): void => {
    this.frame = 0;
    const began = performance.now();
    const due = this.cards.filter((c) => c.dirty && c.visible && !c.held).sort((a, b) => a.next - b.next);
    for (const card of due) {
      const now = performance.now();
      if (card.next > now) return this.later(card.next - now);
      if (now - began > FRAME_MS) return this.kick();
      card.dirty = false;
      this.draw(card);
      card.next = now + Math.max(card.chart.period ?? PERIOD_MS, this.round() / SHARE);
    }
  };

  /** Time that one redraw of all charts on screen takes. */
  private round(): number {
    return this.cards.reduce((sum, c) => sum + (c.visible ? c.cost : 0), 0);
  }

  private later(ms: number): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(this.kick, ms);
  }
}
