#include "secateur/report/page.h"

#include <fmt/format.h>

#include "secateur/report/chart.h"

namespace secateur::report {
namespace {

constexpr const char* kStyle = R"css(
:root { --ink:#1f2933; --soft:#52606d; --grid:#e4e7eb; --paper:#ffffff; --card:#f7f9fa;
  --series-0:#2f6f4f; --series-1:#c05621; --series-2:#2b6cb0; --series-3:#805ad5; --series-4:#b7791f; --series-5:#718096; }
@media (prefers-color-scheme: dark) { :root { --ink:#e6edf3; --soft:#9fb0c0; --grid:#2d3a46; --paper:#10161c;
  --card:#18212a; --series-0:#6fcf97; --series-1:#f6ad55; --series-2:#63b3ed; --series-3:#b794f4; --series-4:#ecc94b; --series-5:#a0aec0; } }
* { box-sizing:border-box; }
body { margin:0 auto; max-width:1340px; padding:32px 24px 64px; background:var(--paper); color:var(--ink);
  font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif; }
h1 { font-size:30px; margin:0; letter-spacing:-.01em; } h2 { font-size:20px; margin:40px 0 12px; }
.subtitle { color:var(--soft); margin:4px 0 24px; }
.headlines { display:flex; flex-wrap:wrap; gap:14px; }
.headline { background:var(--card); border-radius:10px; padding:14px 20px; min-width:150px; }
.headline b { display:block; font-size:26px; font-variant-numeric:tabular-nums; }
.headline span { color:var(--soft); font-size:14px; }
.charts { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(100%,560px),1fr)); gap:18px; }
.charts figure { margin:0; background:var(--card); border-radius:10px; padding:12px; overflow-x:auto; }
.chart { width:100%; height:auto; display:block; }
.chart text { font-family:inherit; fill:var(--ink); } .chart .title { font-size:14px; font-weight:600; }
.chart .tick { font-size:11px; fill:var(--soft); } .chart .label { font-size:12px; fill:var(--soft); }
.chart .grid { stroke:var(--grid); stroke-width:1; } .chart .mark { stroke:var(--soft); stroke-width:1; stroke-dasharray:2 4; }
.chart .series { fill:none; stroke-width:2; stroke-linejoin:round; } .chart .dashed { stroke-dasharray:6 4; }
.s0{stroke:var(--series-0)} .s1{stroke:var(--series-1)} .s2{stroke:var(--series-2)} .s3{stroke:var(--series-3)} .s4{stroke:var(--series-4)} .s5{stroke:var(--series-5)}
.dot.s0{fill:var(--series-0)} .dot.s1{fill:var(--series-1)} .dot.s2{fill:var(--series-2)} .dot.s3{fill:var(--series-3)} .dot.s4{fill:var(--series-4)} .dot.s5{fill:var(--series-5)}
.chart .before { fill:none; stroke:var(--soft); stroke-width:1; } .chart .after { fill:var(--series-0); }
.scroll { overflow-x:auto; } table { border-collapse:collapse; font-variant-numeric:tabular-nums; }
th,td { padding:6px 14px; border-bottom:1px solid var(--grid); text-align:right; } th:first-child,td:first-child { text-align:left; }
th { color:var(--soft); font-weight:600; } details { margin:14px 0; } summary { cursor:pointer; font-weight:600; }
pre { background:var(--card); border-radius:10px; padding:14px; overflow-x:auto; font-size:13px; }
)css";

}  // namespace

void Page::add_headlines(const std::vector<std::pair<std::string, std::string>>& figures) {
  body_ += "<div class=\"headlines\">\n";
  for (const auto& [figure, name] : figures) {
    body_ += fmt::format("<div class=\"headline\"><b>{}</b><span>{}</span></div>\n", escaped(figure),
                         escaped(name));
  }
  body_ += "</div>\n";
}

void Page::add_heading(const std::string& text) { body_ += fmt::format("<h2>{}</h2>\n", escaped(text)); }

void Page::add_paragraph(const std::string& text) { body_ += fmt::format("<p>{}</p>\n", escaped(text)); }

void Page::add_charts(const std::vector<std::string>& svg) {
  body_ += "<div class=\"charts\">\n";
  for (const std::string& chart : svg) body_ += fmt::format("<figure>\n{}</figure>\n", chart);
  body_ += "</div>\n";
}

void Page::add_table(const std::vector<std::string>& header,
                     const std::vector<std::vector<std::string>>& rows) {
  body_ += "<div class=\"scroll\"><table>\n<tr>";
  for (const std::string& name : header) body_ += fmt::format("<th>{}</th>", escaped(name));
  body_ += "</tr>\n";
  for (const auto& row : rows) {
    body_ += "<tr>";
    for (const std::string& cell : row) body_ += fmt::format("<td>{}</td>", escaped(cell));
    body_ += "</tr>\n";
  }
  body_ += "</table></div>\n";
}

void Page::add_details(const std::string& title, const std::string& text) {
  body_ +=
      fmt::format("<details><summary>{}</summary><pre>{}</pre></details>\n", escaped(title), escaped(text));
}

std::string Page::html() const {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{0}</title>\n"
      "<style>{1}</style>\n</head>\n<body>\n<h1>{0}</h1>\n<p "
      "class=\"subtitle\">{2}</p>\n{3}</body>\n</html>\n",
      escaped(title_), kStyle, escaped(subtitle_), body_);
}

}  // namespace secateur::report
