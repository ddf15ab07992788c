// SPDX-License-Identifier: GPL-2.0-or-later
// fio jobs, from a file or a command line, as workloads of a layer. fio's own defaults hold for what a job leaves out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/scenario/document.h"

namespace wakepath::scenario {

struct Word {
  std::string text;
  int line = 0;
};

// What stood before `fio` on a command line.
struct Surroundings {
  std::string cgroup;
  std::string cpus;  // list, "" when not pinned
  std::string nice;  // "" when not given
  std::string policy;
};

struct FioOptionText {
  std::string name, value;
  std::string file;
  int line = 0;
};
struct FioSection {
  std::string name;
  std::string file;
  int line = 0;
  std::vector<FioOptionText> options;  // [global]'s first
};

Result<std::vector<FioSection>> parse_fio_file(std::string_view text, const std::string& file);
// Words after `fio`.
Result<std::vector<FioSection>> parse_fio_command(const std::vector<Word>& words, const std::string& file);
std::optional<Error> add_fio_jobs(Layer& out, const std::vector<FioSection>& jobs, const Surroundings& around);

// Shell text to a layer; an error when it runs no fio.
Result<Layer> read_shell(std::string_view text, const std::string& file);

}  // namespace wakepath::scenario
