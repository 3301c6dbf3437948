// A report page: one HTML file that stands alone. Sections are added in reading order.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace secateur::report {

class Page {
 public:
  explicit Page(std::string title, std::string subtitle)
      : title_(std::move(title)), subtitle_(std::move(subtitle)) {}

  // Large figures at the top: {"−50.3 %", "multiply-adds"}.
  void add_headlines(const std::vector<std::pair<std::string, std::string>>& figures);
  void add_heading(const std::string& text);
  void add_paragraph(const std::string& text);
  // Charts side by side where the window is wide enough.
  void add_charts(const std::vector<std::string>& svg);
  // The first column is a label, the others are right-aligned figures.
  void add_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);
  // Text as it stands, folded away under its title.
  void add_details(const std::string& title, const std::string& text);

  [[nodiscard]] std::string html() const;

 private:
  std::string title_;
  std::string subtitle_;
  std::string body_;
};

}  // namespace secateur::report
