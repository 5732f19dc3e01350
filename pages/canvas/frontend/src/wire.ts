// The course of a wire: straight on, over the layers that a skip leaves out, or back to the next row of a wrapped layout.
import { getBezierPath, getSmoothStepPath, type EdgeProps } from "@xyflow/react";

const SKIP = 300, LEVEL = 90; // px: longer than to the next layer, and about in line with it
const ROW = 110, PORT = 34, ABOVE = 14; // px: to a row below; from the top of a layer to its ports; above a layer
const OVER = 60, BESIDE = 150; // px: past the edge of a layer, above it or beside it

/** An SVG path and where its label stands. */
export function course(p: EdgeProps, lr: boolean): [path: string, x: number, y: number] {
  const along = lr ? p.targetX - p.sourceX : p.targetY - p.sourceY;
  const aside = lr ? p.targetY - p.sourceY : p.targetX - p.sourceX;
  if (along < 0) {
    // To the next row: close above it, since what hangs below a layer (its picture) takes up the middle.
    const centerY = lr && aside > ROW ? p.targetY - PORT - ABOVE : undefined;
    const [path, x, y] = getSmoothStepPath({ ...p, borderRadius: 12, offset: 24, centerY });
    return [path, x, y];
  }
  if (along > (lr ? SKIP : SKIP / 2) && Math.abs(aside) < (lr ? LEVEL : 2 * LEVEL)) return around(p, lr);
  const [path, x, y] = getBezierPath(p);
  return [path, x, y];
}

function around({ sourceX: sx, sourceY: sy, targetX: tx, targetY: ty }: EdgeProps, lr: boolean): [string, number, number] {
  if (lr) {
    const top = Math.min(sy, ty) - OVER;
    return [`M${sx} ${sy}C${sx + 30} ${sy} ${sx + 14} ${top} ${sx + 48} ${top}H${tx - 48}C${tx - 14} ${top} ${tx - 30} ${ty} ${tx} ${ty}`,
      (sx + tx) / 2, top];
  }
  const side = Math.max(sx, tx) + BESIDE;
  return [`M${sx} ${sy}C${sx} ${sy + 30} ${side} ${sy + 14} ${side} ${sy + 48}V${ty - 48}C${side} ${ty - 14} ${tx} ${ty - 30} ${tx} ${ty}`,
    side, (sy + ty) / 2];
}
