// SPDX-License-Identifier: GPL-2.0-or-later
// Records of trace text, told line by line: ftrace, `perf script`, blkparse (line_parser.h, blk_line.h).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/trace/input.h"
#include "sim/trace/line_parser.h"
#include "sim/trace/source.h"
#include "sim/trace/string_pool.h"

namespace wakepath::trace {

class TextSource final : public Source {
 public:
  // `head` is what was read of `input` already.
  TextSource(std::unique_ptr<Input> input, std::string_view head, StringPool& pool, std::string path,
             ReadOptions options);
  tl::expected<bool, Error> next(Event& e) override;
  [[nodiscard]] const std::vector<StringId>& call_chain() const override { return chain_; }

 private:
  tl::expected<bool, Error> read_line(std::string_view& line);
  tl::expected<bool, Error> next_record(Event& e);
  tl::expected<bool, Error> at_end();
  bool take(const Line& line, std::string_view text, Event& e);
  bool take_typed(const Line& line, std::string_view text, Event& e);
  bool take_blkparse(std::string_view text, Event& e);
  void take_lost(const Line& line, Event& e);
  void take_header(std::string_view text);
  void take_record(const Line& line, Event& e);
  void bad(const char* reason, std::string_view text);
  void note_stamp(int stamp_digits, const Event& e);
  StringId count_unknown(std::string name);
  [[nodiscard]] Error error(std::string message, std::int64_t line = 0) const;

  std::unique_ptr<Input> input_;
  StringPool* pool_;
  std::string path_;
  ReadOptions options_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  bool input_ended_ = false;
  bool finished_ = false;
  std::unique_ptr<Error> failed_;
  std::vector<StringId> chain_, pending_chain_;
  Event pending_;
  bool has_pending_ = false;
};

}  // namespace wakepath::trace
