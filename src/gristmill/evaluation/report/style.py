"""The report's own style sheet: light and dark, for screen and paper; system fonts, so nothing is loaded."""

STYLE = """
:root{--ink:#1d2126;--soft:#5b6570;--faint:#8a949e;--line:#e2e5e9;--paper:#fff;--ground:#f5f6f8;--accent:#2f5fb3;
--second:#c8761b;--good:#1a7f4b;--good-soft:#e3f4ea;--bad:#b3261e;--bad-soft:#fbe9e7;--open:#8a5a00;--open-soft:#fdf1d8;
--tone:var(--soft);--tone-soft:var(--ground)}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#a3adb8;--faint:#7d8791;--line:#2e343b;--paper:#191d22;
--ground:#121519;--accent:#7ea6ee;--second:#e5a55a;--good:#5fcb92;--good-soft:#16301f;--bad:#f2867e;--bad-soft:#3a1a18;
--open:#e9bd62;--open-soft:#352a10}}
.promote{--tone:var(--good);--tone-soft:var(--good-soft)}
.hold{--tone:var(--open);--tone-soft:var(--open-soft)}
.reject{--tone:var(--bad);--tone-soft:var(--bad-soft)}
*{box-sizing:border-box}
html{scroll-behavior:smooth}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
header,main,footer{max-width:980px;margin:0 auto;padding:0 24px}
header{padding-top:40px}
h1{font-size:34px;line-height:1.15;letter-spacing:-.02em;margin:0 0 18px;overflow-wrap:anywhere}
h2{font-size:19px;letter-spacing:-.01em;margin:0 0 14px}
h3{font-size:14px;margin:22px 0 6px}
p{margin:0 0 12px;max-width:76ch}
code{font:12.5px/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.eyebrow{color:var(--soft);font-size:13px;letter-spacing:.04em;margin:0 0 4px}
.verdict{display:flex;align-items:center;gap:14px;flex-wrap:wrap;margin-bottom:10px}
.badge{background:var(--tone-soft);color:var(--tone);border:1px solid currentColor;border-radius:999px;padding:4px 16px;
letter-spacing:.06em;font-size:15px}
.lead{font-size:18px;font-weight:600;margin:0}
.sentence{color:var(--soft);font-size:15px;max-width:86ch}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:1px;margin:22px 0;background:var(--line);
border:1px solid var(--line);border-radius:10px;overflow:hidden}
.tiles div{background:var(--paper);padding:14px 16px;display:flex;flex-direction:column;justify-content:space-between}
.tiles dt{color:var(--soft);font-size:12.5px;line-height:1.35}
.tiles dd{margin:6px 0 0;font-size:24px;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.detail{display:block;font-size:12px;font-weight:400;letter-spacing:0;color:var(--faint);min-height:1.5em}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13.5px;margin:0 0 20px}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
a:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:2px}
section{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:22px 24px;margin-bottom:18px}
section>:last-child{margin-bottom:0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin:0 0 12px;font-size:14px}
th,td{text-align:left;padding:7px 10px;border-bottom:1px solid var(--line);vertical-align:top}
th:first-child,td:first-child{padding-left:0}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--soft);font-size:12.5px;font-weight:600;white-space:nowrap}
thead th[scope=colgroup]{color:var(--ink);font-size:13px;text-align:right}
tbody th{font-weight:600}
tbody tr:last-child>*{border-bottom:0}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.unit,.fine,.none,caption,figcaption{color:var(--soft)}
.unit{font-weight:400;font-size:12.5px;white-space:nowrap}
.fine,caption,figcaption{font-size:13px}
caption{text-align:left;padding-bottom:8px}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.batches code{white-space:nowrap}
.checks th{min-width:150px}
.mark{white-space:nowrap;border-radius:999px;padding:2px 10px;font-size:12.5px;font-weight:600}
.mark.pass{background:var(--good-soft);color:var(--good)}
.mark.fail{background:var(--bad-soft);color:var(--bad)}
.mark.unsure{background:var(--open-soft);color:var(--open)}
.better{color:var(--good)}.worse{color:var(--bad)}
.meter{white-space:nowrap;font-variant-numeric:tabular-nums;min-width:170px}
.track{display:inline-block;width:96px;height:7px;border-radius:4px;background:var(--line);margin-right:10px;
vertical-align:middle;overflow:hidden}
.track span{display:block;height:100%;background:var(--accent)}
.matrix{width:auto;border-collapse:separate;border-spacing:2px}
.matrix th,.matrix td{border:0;padding:5px 7px;font-size:12.5px;text-align:right;font-variant-numeric:tabular-nums}
.matrix tbody td{min-width:44px;text-align:center;border-radius:4px;padding:7px 4px;
background:color-mix(in srgb,var(--accent) var(--share),var(--ground))}
.matrix .deep{color:var(--paper);font-weight:600}
.matrix tbody th{white-space:nowrap;padding-left:0;font-weight:500}
.matrix thead th{vertical-align:bottom;text-align:left;padding:0 0 6px;font-weight:500}
.matrix thead th span{writing-mode:vertical-rl;transform:rotate(180deg);display:inline-block;margin:0 auto}
.matrix thead th{text-align:center}
.mistakes{margin:0;padding-left:22px}
figure{margin:6px 0 14px}
figure h3{margin-top:0}
svg{display:block;width:100%;height:auto;max-width:760px}
svg.bar{max-width:none;border-radius:4px;height:14px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:10px 24px}
.tick{font-size:11.5px;fill:var(--soft)}.strong{font-weight:600}.name{font-size:13px;fill:var(--ink)}
.axis{stroke:var(--faint)}.grid{stroke:var(--line)}
.zero{stroke:var(--faint);stroke-dasharray:3 3}
.margin{stroke:var(--bad);stroke-width:1.5}
.kept{stroke:var(--good);stroke-width:1.5;stroke-dasharray:4 3}
.forbidden{fill:var(--bad-soft)}
.whisker{stroke:var(--accent);stroke-width:2}.point{fill:var(--accent)}.point.soft{opacity:.65}
.curve{fill:none;stroke-width:2;stroke-linejoin:round}
.curve-0{stroke:var(--accent)}.curve-1{stroke:var(--second)}
.dot-0{fill:var(--accent)}.dot-1{fill:var(--second)}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;color:var(--soft);margin:8px 0 12px}
.key::before{content:"";display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px;background:var(--key)}
.key-0{--key:var(--accent)}.key-1{--key:var(--second)}.key-kept{--key:var(--good)}
.part-admitted{--key:var(--accent)}.part-quarantined{--key:var(--bad)}.part-dropped{--key:var(--faint)}
.part-withheld{--key:var(--second)}.part-reverted{--key:var(--soft)}.part-collapsed{--key:var(--line)}.part-unjudged{--key:var(--open)}
rect[class^=part-]{fill:var(--key)}
.reasons{margin:0;padding-left:16px}
.cell{fill:var(--accent)}
.asked,.identities{margin:0}.asked div,.identities div{display:flex;gap:12px;padding:5px 0}
.asked dt,.identities dt{min-width:90px;flex:none;color:var(--soft);font-size:13px;line-height:1.75}
.asked dd,.identities dd{margin:0;max-width:76ch;overflow-wrap:anywhere}
.commands{background:var(--ground);border:1px solid var(--line);border-radius:8px;padding:12px 14px;overflow-x:auto;
font:12.5px/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
footer{color:var(--faint);font-size:13px;padding-bottom:40px}
@media (max-width:560px){header,main,footer{padding-left:14px;padding-right:14px}section{padding:18px 14px}
h1{font-size:28px}.checks thead{display:none}.checks tr{display:block;padding:8px 0;border-bottom:1px solid var(--line)}
.checks tr>*{display:block;border:0;padding:2px 0}}
@media print{body{background:none}section{break-inside:avoid}nav{display:none}}
"""
