// SPDX-License-Identifier: GPL-2.0-or-later
// One option of a fio job to entries of a layer: modelled ones as they are, others rewritten, noted or refused.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "models/scenario/document.h"
#include "models/scenario/fio_options.h"
#include "models/scenario/schema.h"
#include "models/scenario/suggest.h"
#include "models/scenario/units.h"

namespace wakepath::scenario {
namespace {

class Option {
 public:
  Option(Layer& out, const std::string& job, const std::string& name, Value value, const std::string& file, int line)
      : out_(out), job_(job), name_(name), value_(std::move(value)), file_(file), line_(line) {}

  std::optional<Error> add() {
    const FioOptionInfo info = fio_option(name_);
    switch (info.kind) {
      case FioOption::modelled:
        return modelled();
      case FioOption::descriptive:
        out_.ignored.emplace_back(job_, name_);
        return {};
      case FioOption::rewritten:
        return rewrite();
      case FioOption::only:
        return only(info);
      case FioOption::unmodelled:
        return error("option '" + name_ + "' is not modelled", "remove it" + advice(info, " or ", ""));
      case FioOption::unknown:
        break;
    }
    const std::string near = nearest(name_, fio_option_names());
    const std::string key = "workload." + job_ + ".";
    return error("unknown key '" + key + name_ + "'",
                 near.empty() ? "fio has no such option" : "did you mean '" + key + near + "'?");
  }

 private:
  Error error(std::string message, std::string suggestion) const {
    return {file_, line_, std::move(message), std::move(suggestion)};
  }
  static std::string advice(const FioOptionInfo& info, const char* before, const char* otherwise) {
    return info.advice.empty() ? std::string(otherwise) : before + std::string(info.advice);
  }
  void note(std::string text) { out_.notes.push_back(std::move(text)); }

  void put(Path path, Value value) { out_.entries.push_back({std::move(path), std::move(value), file_, line_, {}}); }
  void put_job(const char* option, Value value) { put({"workload", job_, option}, std::move(value)); }

  std::optional<Error> modelled() {
    const Lookup found = find_key({"workload", job_, name_});
    // fio takes a value for reads, writes and trims apart by commas; the model has one.
    if ((found.path.back() == "bs" || found.path.back() == "rate_iops") && value_.text.find(',') != std::string::npos) {
      std::string_view rest = value_.text;
      const std::string first(trim(rest.substr(0, rest.find(','))));
      while (!rest.empty()) {
        const auto comma = rest.find(',');
        const std::string_view part = trim(rest.substr(0, comma));
        if (!part.empty() && part != first) {
          return error(name_ + "=" + value_.text + ": different values for reads and writes are not modelled",
                       "give one value");
        }
        rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
      }
      value_ = Value::of(first, value_.line);
    }
    if (found.path.back() == "size" && !value_.text.empty() && value_.text.back() == '%') {
      note("workload " + job_ + ": size=" + value_.text +
           " says nothing here: there is no file or device to be a part of");
      return {};
    }
    put(found.path, std::move(value_));
    return {};
  }

  std::optional<Error> only(const FioOptionInfo& info) {
    const std::string given = value_.is(Value::Kind::boolean) ? (value_.boolean ? "1" : "0") : lower(value_.text);
    std::string_view allowed = info.allowed;
    while (!allowed.empty()) {
      const auto space = allowed.find(' ');
      if (given == allowed.substr(0, space)) return {};
      allowed = space == std::string_view::npos ? std::string_view() : allowed.substr(space + 1);
    }
    const std::string first(info.allowed.substr(0, info.allowed.find(' ')));
    const std::string otherwise = "remove it or write " + name_ + "=" + first;
    return error("option '" + name_ + "=" + value_.text + "' is not modelled", advice(info, "", otherwise.c_str()));
  }

  std::optional<Error> rewrite() {
    const auto unit = [&](const UnitError& u) { return error(name_ + ": " + u.message, u.suggestion); };
    if (name_ == "cpumask") {
      // fio's cpumask is a number: decimal unless it starts with 0x.
      std::string text = value_.text;
      if (text.rfind("0x", 0) != 0) {
        const auto number = parse_integer(text);
        if (!number || *number <= 0)
          return error("cpumask=" + text + " is not a mask of CPUs", "write a number such as 0x3");
        char hex[32];
        std::snprintf(hex, sizeof hex, "%llx", static_cast<unsigned long long>(*number));
        text = hex;
      }
      const auto cpus = parse_cpu_mask(text);
      if (!cpus) return unit(cpus.error());
      put_job("cpus_allowed", Value::of(format_cpu_list(*cpus), value_.line));
      return {};
    }
    if (name_ == "buffered" || name_ == "overwrite") {
      const auto on = value_.is(Value::Kind::boolean) ? Parsed<bool>(value_.boolean) : parse_bool(value_.text);
      if (!on) return unit(on.error());
      if (name_ == "buffered")
        put_job("direct", Value::of(!*on, value_.line));
      else if (*on)
        put({"fs", "written"}, Value::of(true, value_.line));
      return {};
    }
    if (name_ == "rwmixwrite") {
      const auto percent = parse_integer(value_.text);
      if (!percent || *percent < 0 || *percent > 100)
        return error("rwmixwrite must be 0 to 100, not " + value_.text, "");
      put_job("rwmixread", Value::of(100 - *percent, value_.line));
      return {};
    }
    if (name_ == "filename") return filename();
    if (name_ == "section") return error("--section is not supported here", "keep only that section in the job file");
    return run_time();
  }

  // One disk, with a filesystem or without: what the jobs name must be one.
  std::optional<Error> filename() {
    std::vector<std::string> files(1);
    for (std::size_t i = 0; i < value_.text.size(); ++i) {
      const char c = value_.text[i];
      if (c == ':')
        files.emplace_back();
      else if (c != '\\' || i + 1 == value_.text.size() || value_.text[i + 1] != ':')
        files.back() += c;
      else
        files.back() += value_.text[++i];
    }
    const auto is_device = [](const std::string& file) { return file.rfind("/dev/", 0) == 0; };
    if (!std::any_of(files.begin(), files.end(), is_device)) {
      if (files.size() > 1) put_job("nrfiles", Value::of(static_cast<std::int64_t>(files.size()), value_.line));
      return {};
    }
    if (files.size() > 1)
      return error("filename=" + value_.text + ": several devices are not modelled", "name one of them");
    const std::string& device = files.front();
    if (device.rfind("/dev/shm/", 0) == 0) return error("filename=" + device + " is no disk", "name a file on one");
    if (device.rfind("/dev/ublkb", 0) == 0) {
      put_job("disk", Value::of(std::string("ublk"), value_.line));
      return {};
    }
    put({"fs", "type"}, Value::of(std::string("none"), value_.line));
    note("workload " + job_ + ": " + device + " is taken as a block device without a filesystem");
    return {};
  }

  // The model measures a window of the steady state: fio's times do not set it, but they must be times.
  std::optional<Error> run_time() {
    const auto t = parse_fio_time(value_.text, 1'000'000'000);
    if (!t) return error(name_ + ": " + t.error().message, t.error().suggestion);
    note("workload " + job_ + ": fio's " + name_ + " = " + format_time(*t) +
         " does not set the simulated window; run.duration and run.warmup (--duration, --warmup) do");
    return {};
  }

  Layer& out_;
  const std::string& job_;
  const std::string& name_;
  Value value_;
  const std::string& file_;
  int line_;
};

}  // namespace

std::optional<Error> add_fio_option(Layer& out, const std::string& job, const std::string& option, Value value,
                                    const std::string& file, int line) {
  return Option(out, job, option, std::move(value), file, line).add();
}

}  // namespace wakepath::scenario
