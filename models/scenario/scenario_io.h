// SPDX-License-Identifier: GPL-2.0-or-later
// Reading and writing scenarios: TOML files, fio jobs, pasted shell lines and truth cases in; a resolved Scenario out,
// and back to text. Every mistake of the user's is an Error with its place and a suggestion; nothing is ignored in
// silence, and what had to be assumed is said in Scenario::notes.
//
// Order of layers, later ones win: the platform file, the cost table, the scenario (`extends` first), the machine file,
// the options (--kernel, --seed, ...), the --set lines in their order.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/scenario/error.h"
#include "models/scenario/scenario.h"

namespace wakepath::scenario {

struct LoadOptions {
  std::vector<std::string> sets;  // "KEY=VALUE"; the value is TOML, or text when it is not valid TOML
  std::optional<std::string> machine_file;
  std::optional<std::string> kernel;            // as kernel.version: always text
  std::optional<std::string> seed, samples;     // integers as text
  std::optional<std::string> duration, warmup;  // times with their unit
  std::vector<std::string> search_dirs;  // folders laid out as scenarios/: NAME/scenario.toml, platforms/, costs/
};

// A scenario file, a folder with scenario.toml, a name found in search_dirs ("starved_completions",
// "starved_completions/root"), or a fio job file (*.fio, *.job).
Result<Scenario> load(const std::string& path_or_name, const LoadOptions& options = {});

// The same from text. `name` stands for the file in messages; relative references start at its folder.
Result<Scenario> load_text(std::string_view text, const std::string& name, const LoadOptions& options = {});

// A fio job file's text, a fio command line, or shell lines that end in one.
Result<Scenario> from_fio(std::string_view text, const std::string& name = "fio", const LoadOptions& options = {});
Result<Scenario> from_shell(std::string_view text, const std::string& name = "shell", const LoadOptions& options = {});

// One case of schema wakepath.truth/1.
Result<Scenario> from_truth_case(std::string_view json, const LoadOptions& options = {});

// Fully resolved text, byte-stable; loads back to the identical scenario without any other file.
std::string to_toml(const Scenario& s);

struct KeyInfo {
  std::string key;   // pattern: workload.NAME.iodepth
  std::string type;  // "integer 1..65536", "time", "choice: none | voluntary | full | lazy", ...
  std::string unit;  // "" when it has none
  std::string default_value;
  std::string doc;
};
const std::vector<KeyInfo>& list_keys();
// Several lines of text about one key, concrete ("workload.fio.iodepth") or as a pattern.
Result<std::string> explain(const std::string& key);

// Names `load` would find in the folders: scenarios, platforms, cost tables. Sorted.
std::vector<std::string> list_scenarios(const std::vector<std::string>& search_dirs);

}  // namespace wakepath::scenario
