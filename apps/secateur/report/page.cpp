#include "secateur/report/page.h"

#include <fmt/format.h>

#include "secateur/report/chart.h"

namespace secateur::report {
namespace {

constexpr const char* kStyle = R"css(
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
.chart text { font-family:inherit; }
.scroll { overflow-x:auto; } table { border-collapse:collapse; font-variant-numeric:tabular-nums; }
th,td { padding:6px 14px; border-bottom:1px solid var(--grid); text-align:right; } th:first-child,td:first-child { text-align:left; }
th { color:var(--soft); font-weight:600; } details { margin:14px 0; } summary { cursor:pointer; font-weight:600; }
pre { background:var(--card); border-radius:10px; padding:14px; overflow-x:auto; font-size:13px; }
)css";

std::string style() { return fmt::format(":root {{ {}}}\n{}{}", light_colours(), kStyle, chart_style()); }

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
      escaped(title_), style(), escaped(subtitle_), body_);
}

}  // namespace secateur::report
