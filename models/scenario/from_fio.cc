// SPDX-License-Identifier: GPL-2.0-or-later
// Scenarios from fio jobs and shell lines: which of the two a text is, and the layers it becomes.
#include <filesystem>

#include "models/scenario/fio_job.h"
#include "models/scenario/units.h"

namespace wakepath::scenario {
namespace {

std::string stem_of(const std::string& name) {
  const std::string stem = std::filesystem::path(name).stem().string();
  return stem.empty() ? name : stem;
}

// A job file has a section header on a line of its own before anything else that is not a comment.
bool is_job_file(std::string_view text) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[' || line.rfind("include ", 0) == 0) return true;
    // "rw=randwrite" before any section is a broken job file, not a shell line.
    const auto equals = line.find('=');
    return equals != std::string_view::npos && line.find_first_of(" \t-/") > equals;
  }
  return true;
}

}  // namespace

Result<Scenario> from_shell(std::string_view text, const std::string& name, const LoadOptions& options) {
  if (auto bad = check_text(text, name)) return tl::make_unexpected(*bad);
  auto layer = read_shell(text, name);
  if (!layer) return tl::make_unexpected(layer.error());
  return build({std::move(*layer)}, options, name, stem_of(name));
}

Result<Scenario> from_fio(std::string_view text, const std::string& name, const LoadOptions& options) {
  if (auto bad = check_text(text, name)) return tl::make_unexpected(*bad);
  const std::string_view start = trim(text);
  if (start.rfind("--", 0) == 0) return from_shell("fio " + std::string(start), name, options);  // options alone
  if (!is_job_file(text)) return from_shell(text, name, options);
  const auto jobs = parse_fio_file(text, name);
  if (!jobs) return tl::make_unexpected(jobs.error());
  Layer layer;
  if (auto bad = add_fio_jobs(layer, *jobs, {})) return tl::make_unexpected(*bad);
  return build({std::move(layer)}, options, name, stem_of(name));
}

}  // namespace wakepath::scenario
