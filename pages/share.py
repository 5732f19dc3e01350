"""Share: a link, or a file where a link would be too long, that rebuilds network, data, settings and seed."""

from __future__ import annotations

import streamlit as st

from builder.diagnostic import Diagnostic, Refused
from engine import share
from engine.data import BY_NAME
from pages import hide, session, settings
from pages.dialogs import Dialog
from pages.forms import escape, tell

PAGES = ("/design", "/train", "/runs")


def arrive() -> None:
    """Opens what the address shares, under an address of its own; a link that is no good is refused and told."""
    if "hide" not in st.session_state:
        session.tell_later(*hide.problems(st.query_params.get("hide", "")))
    text = st.query_params.get("share")
    if text is None:
        return
    del st.query_params["share"]
    try:
        shared = share.decode(text)
    except Refused as refused:
        session.tell_later(*refused.diagnostics[:5])
        return
    session.begin(shared.graph, shared.config)
    session.tell_later(*_notes(shared))


def _notes(shared: share.Shared) -> list[Diagnostic]:
    """What a link cannot carry."""
    if shared.config.data.name != "csv":
        return []
    target = shared.config.data.options.get("target", "")
    what = f"This network was shared for a CSV file that predicts “{target}”, which a link does not carry."
    return [Diagnostic("share/csv", what, "Choose that file on the Train page.", severity="warning")]


def _share() -> None:
    shared = share.Shared(session.doc().graph, settings.chosen(session.doc().graph))
    data = BY_NAME[shared.config.data.name]
    st.markdown(
        f"The link rebuilds this drawing, the data set **{escape(data.title)}**, every setting and knob, and the seed "
        f"({shared.config.seed}). It holds everything itself: nothing is stored, and later changes are not in it."
    )
    if data.name == "csv":
        st.info("Your CSV file is not in it. Send the file along.", icon=":material/attach_file:")
    parts = st.multiselect(
        "Hide for the class",
        list(hide.PARTS),
        default=list(hide.hidden_names()),
        format_func=hide.PARTS.__getitem__,
        placeholder="nothing is hidden",
        key="share.hide",
        help="Whoever opens the link does not see these controls; what they set stays as it is now.",
    )
    text = share.encode(shared)
    if len(text) <= share.MAX_LINK:
        st.code(address(text, parts), language=None, wrap_lines=True, height=140)
        st.caption("The button at its right end copies the link.")
    else:
        problem = f"The network is too large for a link ({len(text):,} characters of at most {share.MAX_LINK:,})."
        tell(Diagnostic("share/too-long", problem, "Send it as a file, which Open reads.", severity="warning"))
    st.download_button(
        "Download as a file",
        share.dumps(shared),
        "network-with-settings.json",
        "application/json",
        icon=":material/download:",
        on_click="ignore",
        help="Holds the same as the link. Open it with Open on the Design page.",
    )


SHARE = Dialog(_share, "Share this network", ":material/share:", "medium")


def address(text: str, parts: list[str]) -> str:
    """The whole link, from where this page was opened."""
    base = (st.context.url or "").split("?")[0].rstrip("/")
    for page in PAGES:
        base = base.removesuffix(page)
    flags = f"&hide={','.join(parts)}" if parts else ""
    return f"{base}/?share={text}{flags}"
