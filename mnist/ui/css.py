"""The page's own CSS, on top of the light and the dark theme in .streamlit/config.toml."""

from __future__ import annotations

import streamlit as st

CSS = """
<style>
.stMainBlockContainer { padding-top: 4.2rem; padding-bottom: 3rem; }
h1 { font-size: 1.7rem !important; line-height: 1.35 !important; padding: 0 0 .2rem 0 !important; }

.answer { display: flex; align-items: center; gap: 1.1rem; min-height: 7rem; }
.answer .digit { font-size: 6.5rem; line-height: 1; font-weight: 700; font-variant-numeric: tabular-nums;
  color: light-dark(#2456d6, #7aa2ff); }
.answer .digit.number { font-size: clamp(1.8rem, 9vw, 4rem); letter-spacing: .06em; overflow-wrap: anywhere; }
.answer:has(.number) { flex-wrap: wrap; row-gap: .2rem; }
.answer .sure { font-size: 1.15rem; }
.answer .sure small.right { color: light-dark(#1a7f37, #6bd184); opacity: 1; }
.answer .sure small.wrong { color: light-dark(#b3261e, #ff9b90); opacity: 1; }
.answer .sure small { display: block; opacity: .7; font-size: .85rem; }
.answer.empty { opacity: .65; font-size: 1.05rem; }

.seen { display: flex; align-items: center; gap: .8rem; font-size: .85rem; opacity: .95; }
.seen img { width: 84px; height: 84px; image-rendering: pixelated; border-radius: .4rem; }

/* How the network came to its answer: the ink that counts, and a picture for each layer. */
.explained, .explained :is(p, figcaption) { font-size: .9rem; line-height: 1.4; }
.explained p { margin: .8rem 0; }
.explained figure { margin: 0 0 .8rem; }
.explained img { display: block; width: 100%; image-rendering: pixelated; border-radius: .4rem; margin-bottom: .3rem; }
.explained .ink { display: flex; align-items: center; gap: .8rem; }
.explained .ink img { width: 140px; flex: none; margin: 0; }

/* A picture with a box around each digit that was read. */
.boxed { position: relative; display: inline-block; max-width: 100%; line-height: 0; }
.boxed img { max-width: 100%; max-height: 26rem; border-radius: .4rem; }
.boxed i { position: absolute; box-sizing: content-box; margin: -3px; padding: 1px; border: 2px solid #2f6bff;
  border-radius: 4px; box-shadow: 0 0 0 1px #ffffffb0; }
.boxed b { position: absolute; left: -2px; bottom: 100%; padding: 0 .3em; border-radius: 3px 3px 0 0;
  background: #2456d6; color: #ffffff; font: 600 .75rem/1.2rem sans-serif; }
.boxed.asked i { border-color: #d97706; }
.boxed.asked b { background: #8a4b00; }
.boxed i.inside b { bottom: auto; top: 0; border-radius: 0 0 3px 0; }
.seen.where { flex-wrap: wrap; }
.seen.where .boxed img { width: auto; height: auto; max-height: 11rem; image-rendering: auto; }

/* A class sheet: a row for each digit. */
.class-sheet > div { display: flex; flex-wrap: wrap; align-items: center; gap: .35rem; padding: .25rem 0; }
.class-sheet b { width: 1.4rem; font-size: 1.2rem; }
.class-sheet img { height: 2.6rem; border-radius: .25rem; outline: 1px solid #7c849460; }
.class-sheet img.wrong { outline: 3px solid light-dark(#b3261e, #ff9b90); }

/* The probability of each digit, one line each. */
.bars { list-style: none; margin: 0 0 .9rem !important; padding: 0 !important; font-size: .8rem; line-height: 1.2rem; }
.bars li { display: flex; align-items: center; gap: .35rem; margin: 0 !important; font-size: inherit;
  padding: 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bars i { height: .95rem; min-width: 1px; width: calc(var(--share) * (100% - 5.5rem)); border-radius: 0 3px 3px 0;
  background: light-dark(#2456d6, #7aa2ff); opacity: .45; }
.bars .best { font-weight: 600; }
.bars .best i { opacity: 1; }

/* Ten digits and "not a digit" in two rows, each large enough for a thumb. */
.st-key-labels [role="radiogroup"] { display: grid; grid-template-columns: repeat(6, 1fr); gap: .4rem;
  width: 100%; max-width: 23rem; }
.st-key-labels, .st-key-labels .stButtonGroup { width: 100% !important; }
.st-key-labels button { width: 100%; min-height: 2.75rem; padding: .2rem; justify-content: center; }
.st-key-labels button:nth-child(11) { grid-column: span 2; }
.st-key-labels button p { font-size: 1.1rem; font-variant-numeric: tabular-nums; }
.st-key-labels button:nth-child(11) p { font-size: .95rem; }

/* The four or five pages, on a phone too; Streamlit's own navigation hides behind a » there. */
.st-key-pages { position: fixed; z-index: 999991; top: .35rem; left: max(1rem, env(safe-area-inset-left));
  width: auto !important; gap: .25rem !important; flex-wrap: nowrap !important; max-width: 100vw; overflow-x: auto; }
.st-key-pages a { min-height: 2.5rem; padding: .2rem .6rem; }
.st-key-pages .stElementContainer { width: auto !important; flex: none !important; }
.stAppHeader { background: light-dark(#fbfaf7, #12151c); height: 3rem; min-height: 0; }

/* Streamlit writes white on the primary colour, which is pale in the dark theme. */
button[kind^="primary"], button[kind^="primary"]:hover, .draw-your-own {
  color: light-dark(#ffffff, #12151c) !important; }
.draw-your-own { display: inline-block; padding: .6rem 1.1rem; border-radius: .6rem; font-weight: 600;
  text-decoration: none; background: light-dark(#2456d6, #7aa2ff); }
.draw-your-own:hover { text-decoration: underline; }

/* Its small print is paler than WCAG's 4.5 : 1, and its second heading (h3) is no second heading. */
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] :is(p, li) { opacity: 1;
  color: light-dark(#5a6070, #a9b0bf) !important; }
[role="radio"][aria-checked="true"] p { color: light-dark(#1b45b4, #a9c2ff); }
button kbd { color: inherit !important; opacity: 1 !important; }
h2 { font-size: 1.5rem !important; line-height: 1.6 !important; }
@media (prefers-reduced-motion: reduce) {
  /* But for the list, whose animation moves nothing: it keeps double taps out. */
  :not(.latest a), ::before, ::after { animation-duration: 1ms !important; animation-iteration-count: 1 !important;
    transition-duration: 1ms !important; scroll-behavior: auto !important; }
}

/* Streamlit marks keyboard focus with a paler background only. */
.latest a:focus-visible, .st-key-pages a:focus-visible,
.stCheckbox label:has(input:focus-visible) { outline: 3px solid light-dark(#2456d6, #7aa2ff); outline-offset: 2px;
  border-radius: .4rem; }

/* Streamlit gives the reason for a refused file in a tooltip, which a touch screen never shows. */
.stFileChip[aria-invalid="true"] { height: auto; max-width: none; flex-wrap: wrap; }
.stFileChip[aria-invalid="true"] [role="alert"] { position: static; width: 100%; height: auto; margin: .2rem 0 0;
  clip: auto; clip-path: none; overflow: visible; white-space: normal; font-size: .85rem; }

@media (hover: none) { kbd { display: none !important; } }

.latest { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.4rem, 1fr)); gap: .7rem; }
/* The list rises when a label is stored: the second tap of a double tap must not open a drawing. */
@keyframes arm { from, to { pointer-events: none; } }
.latest a { color: inherit; text-decoration: none; animation: arm .7s; }
.latest figure { margin: 0; text-align: center; font-size: .85rem; }
.latest img { width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: .4rem; }
/* A transparent picture may hold black ink or white: both show on grey. */
.latest img, .boxed img { background: #7c8494; }
.latest .right { color: light-dark(#1a7f37, #6bd184); }
.latest .wrong { color: light-dark(#b3261e, #ff9b90); }
.latest .open { opacity: .7; }

/* An administrator's picture opens the drawing, too: its button covers it. */
:is(.st-key-pictures, .st-key-latest) .stVerticalBlock { position: relative; }
:is(.st-key-pictures, .st-key-latest) .stElementContainer { position: static; }
:is(.st-key-pictures, .st-key-latest) .stButton button::after { content: ""; position: absolute; inset: 0; }

/* Drawings that can be ticked; mnist/ui/ticks.py sets the pictures. The labels stay in sight below. */
.st-key-ticks [role="toolbar"] { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.4rem, 1fr));
  gap: .7rem; width: 100%; }
.st-key-ticks button { position: relative; aspect-ratio: 1 / 1.25; width: 100%; height: auto; align-items: end;
  justify-content: center; padding: .2rem; border-radius: .4rem; background: top / 100% auto no-repeat; }
.st-key-ticks button[aria-pressed="true"] { outline: 4px solid light-dark(#2456d6, #7aa2ff); }
.st-key-ticks button[aria-pressed="true"]::before { content: "✓"; position: absolute; top: .3rem; right: .3rem;
  width: 1.6rem; line-height: 1.6rem; border-radius: 50%; background: #2456d6; color: #ffffff; font-weight: 700; }
[data-testid="stLayoutWrapper"]:has(> .st-key-ticked) { position: sticky; bottom: 0; z-index: 1; padding: .5rem 0;
  background: light-dark(#fbfaf7, #12151c); }

@media (max-width: 640px) {
  /* As high as an answer with its labels: what is below must not move under the second tap of a double tap. */
  .st-key-reply { min-height: 16.2rem; }
  .stMainBlockContainer { padding-top: 2.5rem; }
  .stHorizontalBlock:has(.st-key-canvas) { row-gap: .5rem !important; }
  .st-key-pages { left: .4rem; }
  .st-key-pages a { padding: .2rem .45rem; gap: .25rem; }
  .answer { min-height: 4.6rem; }
  .stMainBlockContainer .stVerticalBlock { gap: .5rem; }
  .stHeading > div { margin-bottom: -.4rem !important; }  /* Streamlit's -1rem is for a gap of 1rem */
  .answer .digit { font-size: 4rem; }
  /* With an uploaded picture, what it was read as and the keys are on the screen. */
  .stMainBlockContainer:has(.st-key-your_picture) h1 { position: absolute; clip-path: inset(50%); }
  .stMainBlockContainer:has(.st-key-your_picture) .stFileUploader > label,
  .st-key-your_picture [data-testid="stCaptionContainer"] { display: none; }
  .st-key-your_picture img { max-height: 7.5rem; object-fit: contain; }
  /* The pad takes what canvas, answer, "Yes" and ten keys leave of the screen. */
  .stMainBlockContainer:has(.st-key-canvas) h1 { position: absolute; clip-path: inset(50%); }
  .st-key-canvas { --pad-width: 100%; --pad-height: clamp(180px, 100dvh - 412px, 100vw - 2rem); }
}
@media (max-width: 400px) { .st-key-pages a > :has([data-testid="stIconMaterial"]):not(:has(p)) { display: none; } }
@media (max-width: 340px) { .stMainBlockContainer { padding-inline: .6rem; } }
/* A phone on its side: canvas and answer beside each other. */
@media (max-height: 480px) and (min-width: 480px) {
  .stMainBlockContainer { padding-top: 3rem; }
  .stMainBlockContainer:has(.st-key-canvas, .st-key-your_picture) h1 { position: absolute; clip-path: inset(50%); }
  .stMainBlockContainer:has(.st-key-your_picture) .stFileUploader > label { display: none; }
  .st-key-your_picture img { max-height: 9rem; }
  .stMainBlockContainer .stVerticalBlock { gap: .4rem; }
  .stHeading > div { margin-bottom: -.3rem !important; }
  .stMainBlockContainer .stHorizontalBlock:has(.st-key-canvas) { flex-wrap: nowrap; }
  .stMainBlockContainer .stHorizontalBlock:has(.st-key-canvas) > .stColumn { min-width: 0; }
  .st-key-canvas { --pad-width: 100%; --pad-height: clamp(150px, 100dvh - 150px, 300px); }
  .answer { min-height: 3.4rem; }
  .answer .digit { font-size: 3.4rem; }
}
@media (forced-colors: active) {
  .bars i { forced-color-adjust: none; background: Highlight; opacity: 1; }
  .stCheckbox label > div { forced-color-adjust: none; }
  [role="radio"][aria-checked="true"] { outline: 3px solid Highlight; outline-offset: -3px; }
}
</style>
"""
# For a projector: the address with ?large. Sizes follow the screen, so that the whole is seen at once.
LARGE = """
<style>
.stMainBlockContainer { max-width: none; padding: 3.4rem 2vw 0; }
h1, .st-key-keeps { display: none; }
.stHorizontalBlock:has(.st-key-canvas) > .stColumn:first-child { flex: none; width: auto; }
.stHorizontalBlock:has(.st-key-canvas) > .stColumn:last-child { flex: 1; }
.st-key-canvas { --pad-height: calc(100dvh - 11.4rem); --pad-width: min(58vw, 1.15 * (100dvh - 11.4rem)); }
.answer { min-height: 20vh; gap: 2vw; }
.answer .digit { font-size: 22vh; }
.answer .sure { font-size: 3.6vh; }
.answer .sure small, .answer.empty, .seen { font-size: 2.2vh; }
.bars { font-size: 2.6vh; line-height: 3.7vh; margin-top: 1vh !important; }
.bars i { height: 2.8vh; width: calc(var(--share) * (100% - 14vh)); }
.st-key-labels [role="radiogroup"] { max-width: none; }
.stColumn button p, .stColumn label p { font-size: 2.2vh !important; }
</style>
"""
INK = {"light": "#1d2433", "dark": "#e9ecf3"}  # textColor in .streamlit/config.toml


def apply() -> None:
    st.html(CSS)
    if "large" in st.query_params:
        st.html(LARGE)


def ink() -> str:
    """CSS text colour of the visitor's theme, for charts; a grey legible in both themes while the theme is unknown."""
    return INK.get(st.context.theme.type or "", "#7c8494")
