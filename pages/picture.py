"""The picture of the network, as SVG from Python and as PNG drawn by the browser."""

from __future__ import annotations

import streamlit as st

from builder.infer import infer
from builder.picture import DARK, LIGHT, Look, svg
from pages import session
from pages.dialogs import Dialog

_PNG = st.components.v2.component(
    "layerloom_png",
    html='<button type="button">Download PNG</button><span role="status"></span>',
    css="""
button { font: inherit; font-size: .875rem; padding: .25rem .75rem; min-height: 2.5rem; cursor: pointer;
  color: var(--st-text-color); background: var(--st-background-color); border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius); }
button:hover, button:focus-visible { color: var(--st-primary-color); border-color: var(--st-primary-color); }
span { margin-left: .5rem; }
""",
    js="""
const MOST = 8192; // px of a side: browsers draw no larger canvas everywhere
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button"), said = parentElement.querySelector("span");
  button.onclick = async () => {
    said.textContent = "";
    try {
      const picture = new Image();
      picture.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(data.svg);
      await picture.decode();
      const scale = Math.min(data.scale, MOST / Math.max(picture.width, picture.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(picture.width * scale);
      canvas.height = Math.round(picture.height * scale);
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = data.name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    } catch (error) {
      said.textContent = "This browser cannot draw it. Download the SVG.";
    }
  };
}
""",
)
SCALE = 3  # 288 dots per inch


def look() -> Look:
    """The colours of the reader's theme."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def _picture() -> None:
    graph = session.doc().graph
    looks = {"Light": LIGHT, "Dark": DARK}
    first = "Dark" if look() is DARK else "Light"
    name = st.segmented_control("Colours", looks, default=first, required=True, key="picture.look")
    drawn = svg(graph, infer(graph), looks[name])
    st.image(drawn, width="stretch")
    with st.container(horizontal=True):
        st.download_button(
            "Download SVG", drawn, "network.svg", "image/svg+xml", icon=":material/download:", on_click="ignore"
        )
        _PNG(key="picture.png", data={"svg": drawn, "name": "network.png", "scale": SCALE}, height="content")
    st.caption("SVG stays sharp at any size, for papers; PNG is for slides and messages.")


PICTURE = Dialog(_picture, "Picture of the network", ":material/image:", "large")
