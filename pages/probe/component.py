"""The invisible component that fetches a preview from our route and hands it to the canvas, within the browser.

It dispatches ``layerloom:preview`` on the window with the detail ``{feed, nodes: {id: {img, alt, c, t}}}`` (see
engine/probe.py) and keeps it in ``globalThis.__layerloomPreview[feed]`` for whoever mounts later. ``nodes`` is empty
where there is nothing to show (any more). No picture passes through Streamlit.
"""

from __future__ import annotations

import streamlit as st

_FETCH = st.components.v2.component(
    "layerloom_probe",
    js="""
const busy = {};  // feed → {ticket, stop}

function say(feed, nodes) {
  const all = (globalThis.__layerloomPreview ??= {});
  all[feed] = { feed, nodes };
  globalThis.dispatchEvent(new CustomEvent("layerloom:preview", { detail: all[feed] }));
}

async function follow({ feed, ticket, url }, stop, done) {
  while (!stop.signal.aborted) {
    const answer = await fetch(new URL(`${url}?ticket=${ticket}`, document.baseURI), { signal: stop.signal });
    if (answer.status === 204) continue;  // not yet
    if (!answer.ok) return;
    say(feed, (await answer.json()).nodes);
    return done();
  }
}

export default function ({ data, setTriggerValue }) {
  const { feed, ticket } = data;
  if (busy[feed]?.ticket !== ticket) {
    busy[feed]?.stop.abort();
    const stop = new AbortController();
    busy[feed] = { ticket, stop };
    if (ticket === null) say(feed, {});
    else follow(data, stop, () => setTriggerValue("ready", ticket)).catch(() => { delete busy[feed]; });
  }
  return () => { busy[feed]?.stop.abort(); delete busy[feed]; };
}
""",
)


def fetch(feed: str, ticket: int | None, *, key: str) -> None:
    """Brings the answer to ask ``ticket`` to the canvas as soon as there is one, then reruns the fragment it stands in.
    None takes back what is shown."""
    data = {"feed": feed, "ticket": ticket, "url": f"/layerloom/preview/{feed}"}
    _FETCH(key=key, data=data, height=0, on_ready_change=lambda: None)
