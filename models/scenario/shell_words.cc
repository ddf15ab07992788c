// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/scenario/shell.h"

namespace wakepath::scenario {
namespace {

class Lexer {
 public:
  Lexer(std::string_view text, const std::string& file, int line) : text_(text), file_(file), line_(line) {}

  Result<std::vector<Command>> split() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\\' && at_ + 1 < text_.size() && (text_[at_ + 1] == '\n' || text_[at_ + 1] == '\r')) {
        at_ += text_[at_ + 1] == '\r' ? 3 : 2;  // continued line
        ++line_;
        end_word();
      } else if (c == '#' && !in_word_) {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (c == '\n' || c == ';' || c == '&' || c == '|') {
        separator(c);
      } else if (c == '>' || c == '<') {
        redirect(c);
      } else if (c == ' ' || c == '\t' || c == '\r') {
        end_word();
        ++at_;
      } else if (!word_part(c)) {
        return tl::make_unexpected(Error{file_, line_, "a quote or $( is not closed", "check the pasted lines"});
      }
    }
    end_command(false);
    return std::move(commands_);
  }

 private:
  void separator(char c) {
    if (c == '&' && at_ + 1 < text_.size() && text_[at_ + 1] == '>') {  // &> file
      ++at_;
      redirect('>');
      return;
    }
    const bool doubled = at_ + 1 < text_.size() && text_[at_ + 1] == c && c != '\n' && c != ';';
    end_command(c == '|' && !doubled);
    if (c == '\n') ++line_;
    at_ += doubled ? 2 : 1;
  }

  void redirect(char c) {
    // A digit glued to > is a descriptor, not a word: 2>/dev/null.
    const bool descriptor = in_word_ && word_.size() == 1 && word_[0] >= '0' && word_[0] <= '9';
    if (descriptor) {
      if (word_[0] != '1') discard_target_ = true;
      in_word_ = false;
      word_.clear();
    }
    end_word();
    while (at_ < text_.size() && (text_[at_] == '>' || text_[at_] == '<' || text_[at_] == '&')) ++at_;
    if (c == '<') discard_target_ = true;
    expect_target_ = true;
  }

  // One character, quoted stretch or substitution of a word; false when it does not end.
  bool word_part(char c) {
    if (!in_word_) word_line_ = line_;
    in_word_ = true;
    if (c == '\'' || c == '"' || c == '`') return quoted(c);
    if (c == '$' && at_ + 1 < text_.size() && text_[at_ + 1] == '(') return substitution();
    if (c == '\\' && at_ + 1 < text_.size()) ++at_;
    word_ += text_[at_++];
    return true;
  }

  bool quoted(char quote) {
    if (quote == '`') word_ += quote;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == quote) {
        if (quote == '`') word_ += quote;
        ++at_;
        return true;
      }
      if (c == '\\' && quote == '"' && at_ + 1 < text_.size()) ++at_;
      if (text_[at_] == '\n') ++line_;
      word_ += text_[at_];
    }
    return false;
  }

  bool substitution() {
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '(') ++depth;
      if (c == '\n') ++line_;
      word_ += c;
      if (c == ')' && --depth == 0) {
        ++at_;
        return true;
      }
    }
    return false;
  }

  void end_word() {
    if (!in_word_) return;
    in_word_ = false;
    if (!expect_target_) {
      current_.words.push_back({word_, word_line_});
    } else if (!discard_target_) {
      current_.output = word_;
    }
    expect_target_ = discard_target_ = false;
    word_.clear();
  }

  void end_command(bool piped) {
    end_word();
    current_.piped = piped;
    if (!current_.words.empty()) commands_.push_back(std::move(current_));
    current_ = {};
  }

  std::string_view text_;
  const std::string& file_;
  int line_;
  std::size_t at_ = 0;
  std::string word_;
  int word_line_ = 0;
  bool in_word_ = false, expect_target_ = false, discard_target_ = false;
  Command current_;
  std::vector<Command> commands_;
};

}  // namespace

Result<std::vector<Command>> split_commands(std::string_view text, const std::string& file, int first_line) {
  return Lexer(text, file, first_line).split();
}

}  // namespace wakepath::scenario
