// SPDX-License-Identifier: GPL-2.0-or-later
// fio's job file format and command line (fio 3.33: HOWTO, init.c, options.c).
#include "models/scenario/fio_job.h"

#include <algorithm>
#include <filesystem>

#include "models/scenario/fio_options.h"
#include "models/scenario/units.h"

namespace wakepath::scenario {
namespace {

constexpr int kMaxInclude = 8;

class JobFile {
 public:
  JobFile(std::string_view text, const std::string& file, int depth) : text_(text), file_(file), depth_(depth) {}

  Result<std::vector<FioSection>> parse() {
    int number = 0;
    while (!text_.empty()) {
      const auto end = text_.find('\n');
      std::string_view line = text_.substr(0, end);
      line = trim(line.substr(0, line.find_first_of(";#")));  // fio ends a line there, whatever stands before
      text_ = end == std::string_view::npos ? std::string_view() : text_.substr(end + 1);
      ++number;
      if (line.empty()) continue;
      if (auto bad = one_line(line, number)) return tl::make_unexpected(*bad);
    }
    return std::move(jobs_);
  }

 private:
  Error error(int line, std::string message, std::string suggestion) const {
    return {file_, line, std::move(message), std::move(suggestion)};
  }

  std::optional<Error> one_line(std::string_view line, int number) {
    if (line[0] == '[') return header(line, number);
    if (line.rfind("include ", 0) == 0) return include(std::string(trim(line.substr(8))), number);
    if (!in_section_)
      return error(number, "'" + std::string(line) + "' stands before the first section",
                   "begin with [global] or [NAME]");
    const auto equals = line.find('=');
    FioOptionText option{std::string(trim(line.substr(0, equals))), "1", file_, number};
    if (equals != std::string_view::npos)
      option.value = std::string(trim(line.substr(equals + 1)));
    else if (!fio_option_is_flag(option.name) && fio_option(option.name).kind != FioOption::unknown) {
      return error(number, "option '" + option.name + "' needs a value", "write " + option.name + "=VALUE");
    }
    if (option.value.find("${") != std::string::npos) {
      return error(number, "variables are not expanded: " + option.value, "write the value itself");
    }
    (in_global_ ? globals_ : jobs_.back().options).push_back(std::move(option));
    return std::nullopt;
  }

  std::optional<Error> header(std::string_view line, int number) {
    const auto close = line.find(']');
    if (close == std::string_view::npos) return error(number, "the section header has no ']'", "write [NAME]");
    const std::string name(trim(line.substr(1, close - 1)));
    if (name.empty()) return error(number, "the section has no name", "write [NAME]");
    if (depth_ > 0)
      return error(number, "a file that is included has no sections", "put the section into the job file");
    in_section_ = true;
    in_global_ = name.rfind("global", 0) == 0;  // fio looks at these letters only
    if (!in_global_) jobs_.push_back({name, file_, number, globals_});
    return std::nullopt;
  }

  std::optional<Error> include(const std::string& name, int number) {
    if (depth_ >= kMaxInclude)
      return error(number, "includes go deeper than " + std::to_string(kMaxInclude), "look for a cycle");
    const auto folder = std::filesystem::path(file_).parent_path();
    const std::string path = (folder / name).lexically_normal().string();
    const auto text = read_file(path, error(number, {}, {}));
    if (!text) return text.error();
    // Included options belong to the section they are included in: give them one to stand in.
    JobFile inner(*text, path, depth_ + 1);
    inner.in_section_ = true;
    inner.in_global_ = true;
    if (const auto jobs = inner.parse(); !jobs) return jobs.error();
    auto& target = in_global_ || jobs_.empty() ? globals_ : jobs_.back().options;
    target.insert(target.end(), inner.globals_.begin(), inner.globals_.end());
    return std::nullopt;
  }

  std::string_view text_;
  const std::string& file_;
  int depth_;
  bool in_section_ = false, in_global_ = false;
  std::vector<FioOptionText> globals_;
  std::vector<FioSection> jobs_;
};

}  // namespace

Result<std::vector<FioSection>> parse_fio_file(std::string_view text, const std::string& file) {
  auto jobs = JobFile(text, file, 0).parse();
  if (jobs && jobs->empty()) {
    return tl::make_unexpected(Error{file, 0, "the fio job file has no job section", "add a section: [NAME]"});
  }
  return jobs;
}

Result<std::vector<FioSection>> parse_fio_command(const std::vector<Word>& words, const std::string& file) {
  std::vector<FioOptionText> globals;
  std::vector<FioSection> jobs;
  bool in_global = true;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Word& w = words[i];
    const auto fail = [&](std::string message, std::string suggestion) {
      return tl::make_unexpected(Error{file, w.line, std::move(message), std::move(suggestion)});
    };
    if (w.text.empty()) continue;
    if (w.text[0] != '-') {  // a job file
      const auto text = read_file(w.text, Error{file, w.line, {}, {}});
      if (!text) return tl::make_unexpected(text.error());
      auto more = parse_fio_file(*text, w.text);
      if (!more) return more;
      for (FioSection& job : *more) {
        job.options.insert(job.options.begin(), globals.begin(), globals.end());
        jobs.push_back(std::move(job));
      }
      continue;
    }
    const auto first = w.text.find_first_not_of('-');
    if (first == std::string::npos) return fail("'" + w.text + "' is not an option", "write --NAME=VALUE");
    const auto equals = w.text.find('=');
    FioOptionText option{w.text.substr(first, equals == std::string::npos ? equals : equals - first), "1", file,
                         w.line};
    if (equals != std::string::npos) {
      option.value = w.text.substr(equals + 1);
    } else if (!fio_option_is_flag(option.name)) {
      if (i + 1 >= words.size() || words[i + 1].text.rfind("--", 0) == 0) {
        if (fio_option(option.name).kind != FioOption::unknown) {
          return fail("option '" + option.name + "' needs a value", "write --" + option.name + "=VALUE");
        }
      } else {
        option.value = words[++i].text;
      }
    }
    if (option.value.find('$') != std::string::npos)
      return fail("variables are not expanded: " + option.value, "write the value itself");
    if (option.name == "name") {
      in_global = option.value == "global";
      if (!in_global) jobs.push_back({option.value, file, w.line, globals});
      continue;
    }
    (in_global || jobs.empty() ? globals : jobs.back().options).push_back(std::move(option));
  }
  if (jobs.empty()) {
    const int line = words.empty() ? 1 : words.front().line;
    return tl::make_unexpected(
        Error{file, line, "the fio command line has no job", "add --name=NAME before the job's options"});
  }
  return jobs;
}

namespace {

std::optional<Error> check_one_disk(Layer& out, const FioSection& job) {
  std::string disk;  // a block device's name, or "" where the job has files
  int line = job.line;
  for (const FioOptionText& o : job.options) {
    if (o.name != "filename") continue;
    disk = o.value.rfind("/dev/", 0) == 0 ? o.value : "";
    line = o.line;
  }
  if (disk.rfind("/dev/ublkb", 0) == 0) return std::nullopt;  // may stand beside the disk
  if (out.fio_disk && *out.fio_disk != disk) {
    const auto shown = [](const std::string& name) { return name.empty() ? "files of a filesystem" : name; };
    return Error{job.file, line,
                 "job " + job.name + " uses " + shown(disk) + ", another one " + shown(*out.fio_disk) +
                     ": one disk is modelled, with a filesystem or without",
                 "put the jobs of each disk into a file of their own"};
  }
  out.fio_disk = disk;
  return std::nullopt;
}

}  // namespace

std::optional<Error> add_fio_jobs(Layer& out, const std::vector<FioSection>& jobs, const Surroundings& around) {
  for (const FioSection& job : jobs) {
    std::string name = job.name;
    const auto taken = [&](const std::string& n) {
      return std::any_of(out.entries.begin(), out.entries.end(), [&](const Entry& e) {
        return e.path == Path{"workload", n};
      });
    };
    for (int i = 2; taken(name); ++i) name = job.name + "-" + std::to_string(i);
    Value section;
    section.kind = Value::Kind::table;
    out.entries.push_back({{"workload", name}, section, job.file, job.line, {}});
    const auto put = [&](const char* option, const std::string& value) {
      out.entries.push_back({{"workload", name, option}, Value::of(value, job.line), job.file, job.line, {}});
    };
    // What fio does when a job does not say; the scenario's own defaults are those of the studied job.
    put("rw", "read");
    put("ioengine", "psync");
    put("direct", "0");
    if (!around.cpus.empty()) put("cpus_allowed", around.cpus);
    if (!around.nice.empty()) put("nice", around.nice);
    if (!around.policy.empty()) put("policy", around.policy);
    if (!around.cgroup.empty()) put("cgroup", around.cgroup);
    for (auto o = job.options.begin(); o != job.options.end(); ++o) {
      const auto is_it = [&](const FioOptionText& later) { return later.name == o->name; };
      if (std::any_of(o + 1, job.options.end(), is_it)) continue;  // the last one holds
      if (auto bad = add_fio_option(out, name, o->name, Value::of(o->value, o->line), o->file, o->line)) return bad;
    }
    if (auto bad = check_one_disk(out, job)) return bad;
  }
  return std::nullopt;
}

}  // namespace wakepath::scenario
