// SPDX-License-Identifier: GPL-2.0-or-later
// Layers of entries and their merge: every input becomes a Layer, later layers win key by key, and the place of each
// value stays known. A key keeps the position of its first mention, so that workloads and programs keep their order.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/scenario/scenario_io.h"
#include "models/scenario/value.h"

namespace wakepath::scenario {

struct Layer {
  std::vector<Entry> entries;
  std::vector<std::string> notes;
  std::vector<std::pair<std::string, std::string>> ignored;  // workload, fio option without effect on the model
  std::optional<std::string> fio_disk;  // of fio's jobs so far: a block device's name, "" for files
};

class Document {
 public:
  void put(const Layer& layer);
  [[nodiscard]] const Entry* find(const Path& path) const;
  // Entries below a section: {"device"}.
  [[nodiscard]] bool has_section(const Path& prefix) const;
  void drop_section(const std::string& first_part);
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  void put(const Entry& e);
  std::vector<Entry> entries_;
  std::map<std::string, std::size_t> index_;
  std::vector<std::string> notes_;
  std::vector<std::pair<std::string, std::string>> ignored_;
};

// A table of keys, checked against the schema.
Result<Layer> flatten(const Value& table, const std::string& file);
// One "KEY=VALUE".
Result<Layer> read_set(const std::string& set);
// One option of a fio job, under any spelling of fio's; not modelled ones are errors, harmless ones notes.
std::optional<Error> add_fio_option(Layer& out, const std::string& job, const std::string& option, Value value,
                                    const std::string& file, int line);

// Files.
Result<std::string> read_file(const std::string& path, const Error& where);
// Finds KIND/NAME.toml ("platforms", "costs") beside or above the file that names it, then in the search folders.
Result<std::string> find_fragment(const std::string& kind, const Entry& named_by,
                                  const std::vector<std::string>& search_dirs);
// A file for `wakepath cluster` (models/cluster/config.h), by itself or what it extends: it has tables [node.NAME].
bool is_cluster_file(const std::string& file, int depth = 0);
// A scenario file with what it extends, as one layer; base first.
Result<std::vector<Layer>> read_chain(const std::string& text, const std::string& file, int depth = 0);

// Everything together: layers of the user's input (base first) and the options, to a checked scenario.
Result<Scenario> build(const std::vector<Layer>& input, const LoadOptions& options, const std::string& file,
                       const std::string& name);
// From a merged document: fields, kernel, costs, groups.
Result<Scenario> apply(const Document& doc, const std::string& file);
std::optional<Error> check(Scenario& s, const Document& doc);
std::optional<Error> check_ublk(const Scenario& s, const Document& doc);

void add_note(Scenario& s, const std::string& note);  // unless it is there

}  // namespace wakepath::scenario
