type Props = Record<string, string | number | boolean | ((event: any) => void) | undefined>;

/** An element with attributes (functions become listeners, false leaves an attribute out) and children. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K, props: Props = {}, ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

/** Sets text only where it differs: an equal write would still cost a layout. */
export function say(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

let serial = 0;
export const fresh = (stem: string): string => `ll-${stem}-${++serial}`;

const scripts = new Map<string, Promise<void>>();

/** Loads a classic script once, however many panels ask for it. */
export function loadScript(url: string): Promise<void> {
  let wait = scripts.get(url);
  if (!wait) {
    wait = new Promise<void>((ok, no) => {
      const failed = () => {
        scripts.delete(url);
        no(new Error("The charts could not be loaded. Reload the page."));
      };
      document.head.append(el("script", { src: url, load: () => ok(), error: failed }));
    });
    scripts.set(url, wait);
  }
  return wait;
}
