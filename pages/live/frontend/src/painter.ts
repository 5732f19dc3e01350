import type { Card } from "./card";

const PERIOD_MS = 60; // between two redraws of one chart at the least
const SHARE = 0.65; // of the main thread that drawing may take

/**
 * Draws what is dirty and on screen, one chart per animation frame, within a share of the main thread. A slow
 * machine gets fewer pictures, never a queue of them: each picture shows the newest state.
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
    const now = performance.now();
    const due = this.cards.filter((c) => c.dirty && c.visible && !c.held).sort((a, b) => a.next - b.next);
    const card = due[0];
    if (!card) return;
    if (card.next > now) return this.later(card.next - now);
    card.dirty = false;
    this.draw(card);
    const round = this.cards.reduce((sum, c) => sum + (c.visible ? c.cost : 0), 0);
    card.next = now + Math.max(PERIOD_MS, round / SHARE);
    if (due.length > 1) this.kick();
  };

  private later(ms: number): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(this.kick, ms);
  }
}
