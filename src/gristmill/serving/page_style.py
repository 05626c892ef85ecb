"""The page's style sheet: the colours and type of the report's pages, light and dark; system fonts, so nothing is loaded.

It is a copy, for the report's own does not travel in a Bento; tests/serving/test_page.py holds the two together.
"""

STYLE = """
:root{color-scheme:light dark;--ink:#1d2126;--soft:#5b6570;--faint:#8a949e;--line:#e2e5e9;--paper:#fff;--ground:#f5f6f8;
--accent:#2f5fb3;--good:#1a7f4b;--bad:#b3261e;--bad-soft:#fbe9e7;--open:#8a5a00;--tone:var(--soft)}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#a3adb8;--faint:#7d8791;--line:#2e343b;--paper:#191d22;
--ground:#121519;--accent:#7ea6ee;--good:#5fcb92;--bad:#f2867e;--bad-soft:#3a1a18;--open:#e9bd62}}
.promote{--tone:var(--good)}.hold{--tone:var(--open)}.reject{--tone:var(--bad)}
*{box-sizing:border-box}
[hidden]{display:none!important}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
header,main,footer{max-width:980px;margin:0 auto;padding:0 24px}
header{padding-top:40px}
h1{font-size:34px;line-height:1.15;letter-spacing:-.02em;margin:0 0 18px;overflow-wrap:anywhere}
h1 span{font-weight:400;color:var(--soft)}
h2{font-size:19px;letter-spacing:-.01em;margin:0 0 14px}
h3{font-size:14px;margin:22px 0 6px}
p{margin:0 0 12px;max-width:76ch}
code,pre{font:12.5px/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
a{color:var(--accent)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.eyebrow{color:var(--soft);font-size:13px;letter-spacing:.04em;margin:0 0 4px}
.verdict{display:flex;align-items:center;gap:14px;margin-bottom:22px;flex-wrap:wrap}
.verdict p{margin:0;flex:1 1 300px}
.badge{background:var(--paper);color:var(--tone);border:1px solid currentColor;border-radius:999px;padding:4px 16px;
letter-spacing:.06em;font-weight:600}
.fine{color:var(--soft);font-size:13px}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.alert:empty{display:none}
.alert{background:var(--bad-soft);color:var(--bad);border:1px solid currentColor;border-radius:8px;padding:10px 14px;
overflow-wrap:anywhere}
section{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:22px 24px;margin-bottom:18px}
section>:last-child,form>:last-child,#answer>:last-child{margin-bottom:0}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;margin:0 0 18px;overflow:hidden;
border:1px solid var(--line);border-radius:10px;background:var(--paper)}
.tiles div{box-shadow:0 0 0 1px var(--line);padding:12px 16px}
.tiles dt{color:var(--soft);font-size:12.5px;line-height:1.35}
.tiles dd{margin:4px 0 0;font-size:21px;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.tiles [data-counter=since]{font-size:15px;line-height:1.35;padding-top:6px;letter-spacing:0}
.tiles .detail{display:block;font-size:12px;font-weight:400;letter-spacing:0;color:var(--soft)}
.facts{margin:0}
.facts div{display:flex;gap:4px 16px;padding:5px 0}
.facts dt{flex:none;width:110px;color:var(--soft);font-size:13px;line-height:1.75}
.facts dd{margin:0;max-width:76ch;overflow-wrap:anywhere}
pre{white-space:pre-wrap;max-height:14rem;overflow-y:auto;padding:12px 14px;margin:0 0 12px;background:var(--ground);
border:1px solid var(--line);border-radius:8px}
ul{margin:0;padding-left:20px}
.try{display:grid;grid-template-columns:minmax(0,300px) minmax(0,1fr);gap:20px 36px}
.try.wide{grid-template-columns:minmax(0,1.5fr) minmax(0,1fr)}
.outcome{position:sticky;top:18px;align-self:start}
.board{position:relative;width:300px;max-width:100%;line-height:0}
canvas{width:100%;height:auto;background:#000;border:1px solid var(--faint);border-radius:6px;image-rendering:pixelated;
touch-action:none;cursor:crosshair}
.pen{position:absolute;border:2px solid var(--accent);background:#fff3;border-radius:2px;pointer-events:none;display:none}
canvas:focus-visible+.pen{display:block}
.tools{display:flex;flex-wrap:wrap;gap:8px;margin:12px 0}
.tools>*{flex:1 1 auto;text-align:center}
.board~.tools{gap:6px}
.slider{display:flex;align-items:center;gap:12px;white-space:nowrap}
.fields{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px 16px;align-items:end}
label{display:block;font-size:13px;color:var(--soft);overflow-wrap:anywhere}
input,select,button,.button{font:inherit;font-size:14px;color:var(--ink);background:var(--paper);
border:1px solid var(--faint);border-radius:7px;padding:7px 10px;min-height:38px}
.fields input,.fields select{width:100%;margin-top:3px}
input[type=range]{padding:0;border:0;min-height:24px;width:100%;accent-color:var(--accent)}
button,.button{cursor:pointer;font-weight:550;font-size:13px;padding:7px 8px;line-height:22px}
button.main{font-size:14px}
button:hover,.button:hover{border-color:var(--ink)}
button.main{background:var(--accent);border-color:var(--accent);color:var(--paper)}
button.main:hover{filter:brightness(1.08)}
button[aria-disabled=true]{opacity:.6;cursor:progress}
.button:focus-within{outline:2px solid var(--accent);outline-offset:2px}
.said{font-size:26px;line-height:1.25;font-weight:650;letter-spacing:-.02em;margin:0 0 10px;overflow-wrap:anywhere}
.bars{border-collapse:collapse;table-layout:fixed;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
.bars th,.bars td{padding:4px 0;font-weight:400;text-align:left;vertical-align:middle}
.bars th{width:30%;overflow-wrap:anywhere;padding-right:14px}
.bars tr:first-child th,.bars tr:first-child td{font-weight:650}
.bars td:last-child{width:76px;text-align:right;white-space:nowrap}
.track{display:block;height:9px;border-radius:5px;background:var(--line);overflow:hidden}
.track span{display:block;height:100%;background:var(--faint)}
.bars tr:first-child .track span{background:var(--accent)}
.scroll{max-height:340px;overflow-y:auto;margin-bottom:12px}
.row{display:flex;flex-wrap:wrap;gap:8px;align-items:end;margin-bottom:16px}
.row label{flex:1 1 160px}
.row input,.row select{width:100%;margin-top:3px}
footer{color:var(--soft);font-size:13px;padding-bottom:40px}
@media (max-width:720px){.try,.try.wide{grid-template-columns:minmax(0,1fr)}.outcome{position:static}}
@media (max-width:560px){header,main,footer{padding-left:14px;padding-right:14px}section{padding:18px 14px}
header{padding-top:24px}h1{font-size:28px}.tiles{grid-template-columns:repeat(2,1fr)}.facts div{display:block}}
"""
