/*
 * The looks: rules for drawings, which also stand alone, and the frame that
 * every drawing has. Colours are written out, not named by variables, so that
 * simple SVG viewers show them too.
 */
#include "drawing.h"

const char ni_drawing_style[] =
    "svg.n text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,"
    "'DejaVu Sans',sans-serif;fill:#1f2937}"
    "svg.n .n-ground{fill:#fff}"
    "svg.n .n-title{font-weight:600}"
    "svg.n .n-small{font-size:10px;fill:#5f6673}"
    "svg.n .n-shape{font-size:11px}"
    "svg.n .n-end{text-anchor:end}"
    "svg.n .n-mid{text-anchor:middle}"
    "svg.n rect{fill:#fff;stroke:#9ca3af}"
    "svg.n .n-conv rect{fill:#eaf1fe;stroke:#5b8def}"
    "svg.n .n-fc rect{fill:#e6f6ec;stroke:#3f9d63}"
    "svg.n .n-pool rect{fill:#f1f3f5;stroke:#9aa3af}"
    "svg.n .n-cat rect{fill:#fff1df;stroke:#dd8420}"
    "svg.n .n-sum rect{fill:#f3ecff;stroke:#8b5cf6}"
    "svg.n .n-link{fill:none;stroke:#8a94a3;stroke-width:1.3}"
    "svg.n .n-tip{fill:#8a94a3;stroke:none}"
    "svg.n .n-link.n-to-cat{stroke:#dd8420}"
    "svg.n .n-tip.n-to-cat{fill:#dd8420}"
    "svg.n .n-link.n-to-sum{stroke:#8b5cf6}"
    "svg.n .n-tip.n-to-sum{fill:#8b5cf6}"
    "svg.n .n-branch{fill:none;stroke:#b6bdc8;stroke-width:1.2}"
    "svg.n .n-branch.n-won{stroke:#2563eb;stroke-width:2.4}"
    "svg.n .n-won rect{fill:#e3edff;stroke:#2563eb;stroke-width:2}"
    "svg.n .n-failed rect{fill:#fdeceb;stroke:#d9534f;"
    "stroke-dasharray:4 3}"
    "svg.n .n-waiting rect{stroke-dasharray:4 3}"
    "svg.n .n-failed .n-score{fill:#b42318}"
    "svg.n .n-score{font-size:14px;font-weight:600}"
    "svg.n a{text-decoration:none}"
    "svg.n .n-grid{stroke:#e5e7eb;stroke-width:1}"
    "svg.n .n-axis{stroke:#9ca3af;stroke-width:1}"
    "svg.n .n-train,svg.n .n-val,svg.n .n-other,svg.n .n-rate{fill:none;"
    "stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}"
    "svg.n .n-train{stroke:#2563eb}"
    "svg.n .n-val{stroke:#d97706}"
    "svg.n .n-rate{stroke:#0f9b8e}"
    "svg.n .n-other{stroke:#c3c9d3;stroke-width:1}"
    "svg.n .n-other.n-val{stroke:#eac38f;stroke-width:1}"
    "svg.n .n-dot{fill:#d97706;stroke:#fff;stroke-width:1}"
    "svg.n .n-dot.n-faint{fill:#fff;stroke:#dda860}"
    "@media(prefers-color-scheme:dark){"
    "svg.n text{fill:#e5e7eb}"
    "svg.n .n-ground{fill:#14171c}"
    "svg.n .n-small{fill:#9aa4b2}"
    "svg.n rect{fill:#1b1f26;stroke:#6b7280}"
    "svg.n .n-conv rect{fill:#1a2740;stroke:#5b8def}"
    "svg.n .n-fc rect{fill:#152c1e;stroke:#4bb377}"
    "svg.n .n-pool rect{fill:#22272f;stroke:#6b7585}"
    "svg.n .n-cat rect{fill:#352511;stroke:#e39a4d}"
    "svg.n .n-sum rect{fill:#281f40;stroke:#a78bfa}"
    "svg.n .n-link{stroke:#7b8594}"
    "svg.n .n-tip{fill:#7b8594}"
    "svg.n .n-branch{stroke:#4b5463}"
    "svg.n .n-branch.n-won{stroke:#6ea0ff}"
    "svg.n .n-won rect{fill:#172a4d;stroke:#6ea0ff}"
    "svg.n .n-failed rect{fill:#3a1b1a;stroke:#e57370}"
    "svg.n .n-failed .n-score{fill:#f2938f}"
    "svg.n .n-grid{stroke:#2a303a}"
    "svg.n .n-axis{stroke:#6b7280}"
    "svg.n .n-train{stroke:#6ea0ff}"
    "svg.n .n-val{stroke:#f0a648}"
    "svg.n .n-rate{stroke:#3fc9ba}"
    "svg.n .n-other{stroke:#454d5a}"
    "svg.n .n-other.n-val{stroke:#6d5228}"
    "svg.n .n-dot{fill:#f0a648;stroke:#14171c}"
    "svg.n .n-dot.n-faint{fill:#14171c;stroke:#8d6a34}"
    "}";

void ni_svg_open(ni_text *t, double width, double height, const char *title,
                 bool alone, bool linked)
{
    ni_text_put(t, "<svg class=\"n\" xmlns=\"http://www.w3.org/2000/svg\"");
    ni_text_add(t, " role=\"%s\"", linked ? "group" : "img");
    ni_text_add(t, " width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\"",
                width, height, width, height);
    if (!alone) /* shrinks to its page, but stays readable */
        ni_text_add(t, " style=\"min-width:%.0fpx\"", 0.7 * width);
    ni_text_put(t, ">");
    ni_text_add(t, "<title>%s</title>\n", title);
    if (!alone)
        return;
    ni_text_add(t, "<style>%s</style>\n", ni_drawing_style);
    ni_text_put(t, "<rect class=\"n-ground\" width=\"100%\" height=\"100%\" "
                   "style=\"stroke:none\"/>\n");
}
