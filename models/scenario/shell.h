// SPDX-License-Identifier: GPL-2.0-or-later
// Just enough shell to read the lines of a mail: words, quotes, continuation, redirection, separators. Nothing is run
// and nothing is expanded; $(...) stays a word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/scenario/fio_job.h"

namespace wakepath::scenario {

struct Command {
  std::vector<Word> words;
  std::string output;  // target of > or >>, "" without
  bool piped = false;  // its standard output goes to the next command
};

Result<std::vector<Command>> split_commands(std::string_view text, const std::string& file, int first_line = 1);

}  // namespace wakepath::scenario
