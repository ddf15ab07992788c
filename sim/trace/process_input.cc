// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/process_input.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sim/trace/scan.h"

extern char** environ;

namespace wakepath::trace {
namespace {

using Bytes = tl::expected<std::size_t, std::string>;

class ProcessInput final : public Input {
 public:
  ProcessInput(pid_t pid, int out, int said, std::string name, std::unique_ptr<Spool> file)
      : pid_(pid), out_(out), said_(said), name_(std::move(name)), file_(std::move(file)) {}
  ProcessInput(const ProcessInput&) = delete;
  ProcessInput& operator=(const ProcessInput&) = delete;
  ~ProcessInput() override {
    ::close(out_);
    if (pid_ > 0) {  // its reader left: it gets SIGPIPE at its next line; do not wait for its last one
      ::kill(pid_, SIGTERM);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(said_);
  }

  Bytes read(char* buffer, std::size_t size) override {
    if (pid_ == 0) return std::size_t{0};
    for (;;) {
      const ssize_t n = ::read(out_, buffer, size);
      if (n > 0) return static_cast<std::size_t>(n);
      if (n == 0) return at_end();
      if (errno != EINTR) return tl::make_unexpected("cannot be read: " + std::string(std::strerror(errno)));
    }
  }

 private:
  Bytes at_end() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::size_t{0};
    const std::string how = WIFSIGNALED(status) ? "was ended by signal " + std::to_string(WTERMSIG(status))
                                                : "failed with status " + std::to_string(WEXITSTATUS(status));
    return tl::make_unexpected("`" + name_ + "` " + how + first_line());
  }

  std::string first_line() const {
    std::array<char, 2000> text{};
    const ssize_t n = ::pread(said_, text.data(), text.size(), 0);
    std::string_view said(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
    while (!said.empty() && (said.front() == '\n' || scan::blank(said.front()))) said.remove_prefix(1);
    said = said.substr(0, said.find('\n'));
    return said.empty() ? "" : ": " + scan::printable(said);
  }

  pid_t pid_;
  int out_, said_;
  std::string name_;
  std::unique_ptr<Spool> file_;
};

}  // namespace

tl::expected<std::unique_ptr<Input>, std::string> run_program(const std::vector<std::string>& command,
                                                              std::unique_ptr<Spool> file) {
  std::array<int, 2> pipe{};
  const int said = unnamed_file();
  if (said < 0 || ::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return tl::make_unexpected("cannot start " + command[0] + ": " + std::strerror(errno));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, said, STDERR_FILENO);
  std::vector<char*> arguments;
  std::string name;
  for (const std::string& word : command) {
    arguments.push_back(const_cast<char*>(word.c_str()));  // posix_spawn's signature; it does not write
    if (name.size() < 20) name += (name.empty() ? "" : " ") + word;
  }
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, command[0].c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  if (error != 0) {
    ::close(pipe[0]);
    ::close(said);
    return tl::make_unexpected("cannot start " + command[0] + ": " + std::strerror(error));
  }
  return std::make_unique<ProcessInput>(pid, pipe[0], said, name, std::move(file));
}

tl::expected<std::unique_ptr<Input>, std::string> perf_script(Spool file, bool call_chains) {
  auto kept = std::make_unique<Spool>(std::move(file));
  // --force: files of other users too. perf's own choice of fields has the call chains where there are any; without
  // them it need not look up a symbol.
  std::vector<std::string> command{"perf", "script", "--ns", "--force", "--show-lost-events", "-i", kept->path()};
  if (!call_chains) command.insert(command.end(), {"-F", "comm,tid,cpu,time,event,trace"});
  auto input = run_program(command, std::move(kept));
  if (!input && input.error().find("No such file") != std::string::npos) {
    return tl::make_unexpected(
        std::string("is a perf.data file, and the program perf is not there to read it: "
                    "apt-get install linux-perf, or run `perf script --ns -i FILE` where it was recorded"));
  }
  return input;
}

}  // namespace wakepath::trace
