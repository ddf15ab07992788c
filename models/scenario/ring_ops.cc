// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/scenario/ring_ops.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "models/scenario/suggest.h"

namespace wakepath::scenario {
namespace {

using Kind = RingOp::Kind;

struct Verb {
  std::string_view name;
  Kind kind;
};
constexpr Verb kVerbs[] = {{"nop", Kind::nop},     {"read", Kind::read},     {"write", Kind::write},
                           {"fsync", Kind::fsync}, {"submit", Kind::submit}, {"submit_and_wait", Kind::submit_and_wait},
                           {"wait", Kind::wait},   {"run", Kind::run},       {"sleep", Kind::sleep}};

struct Flag {
  std::string_view name;
  bool RingOp::*field;
};
constexpr Flag kOpFlags[] = {{"async", &RingOp::async},           {"link", &RingOp::link},
                             {"hardlink", &RingOp::hardlink},     {"drain", &RingOp::drain},
                             {"fixed_file", &RingOp::fixed_file}, {"fixed_buffer", &RingOp::fixed_buffer},
                             {"nowait", &RingOp::nowait},         {"buffered", &RingOp::buffered},
                             {"uncached", &RingOp::uncached}};

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  while (!(text = trim(text)).empty()) {
    const auto end = std::min(text.find(' '), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return out;
}

template <class List>
std::vector<std::string> names_of(const List& list) {
  std::vector<std::string> out;
  for (const auto& one : list) out.emplace_back(one.name);
  return out;
}

tl::unexpected<UnitError> bad(std::string message, std::string suggestion) {
  return tl::make_unexpected(UnitError{std::move(message), std::move(suggestion)});
}

// The words after verb and file of an operation that prepares SQEs.
Parsed<RingOp> with_flags(RingOp op, const std::vector<std::string>& words, std::size_t at) {
  for (; at < words.size(); ++at) {
    const std::string& w = words[at];
    if (w.size() > 1 && w[0] == 'x') {
      const auto n = parse_integer(w.substr(1));
      if (!n || *n < 1 || *n > 32768) return bad("'" + w + "' is no count", "write x1 to x32768");
      op.count = static_cast<int>(*n);
      continue;
    }
    const auto* flag =
        std::find_if(std::begin(kOpFlags), std::end(kOpFlags), [&](const Flag& f) { return f.name == w; });
    if (flag == std::end(kOpFlags)) {
      const std::string near = did_you_mean(w, names_of(kOpFlags));
      return bad("unknown word '" + w + "'", near.empty() ? "flags are async, link, drain, ...; xN repeats" : near);
    }
    op.*(flag->field) = true;
  }
  return op;
}

Parsed<RingOp> with_time(RingOp op, const std::string& word) {
  const auto t = parse_time(word);
  if (!t) return tl::make_unexpected(t.error());
  op.time_ns = *t;
  return op;
}

}  // namespace

Parsed<RingOp> parse_ring_op(std::string_view text) {
  const auto words = words_of(text);
  if (words.empty())
    return bad("an empty operation", "write nop, read FILE, write FILE, fsync FILE, submit, wait N, ...");
  const auto* verb =
      std::find_if(std::begin(kVerbs), std::end(kVerbs), [&](const Verb& v) { return v.name == words[0]; });
  if (verb == std::end(kVerbs)) {
    const std::string near = did_you_mean(words[0], names_of(kVerbs));
    return bad(
        "unknown operation '" + words[0] + "'",
        near.empty() ? "operations are nop, read, write, fsync, submit, submit_and_wait, wait, run, sleep" : near);
  }
  RingOp op;
  op.kind = verb->kind;
  if (op.kind == Kind::nop) return with_flags(op, words, 1);
  if (op.prepares()) {
    if (words.size() < 2) return bad(words[0] + " needs a file", "write " + words[0] + " NAME");
    op.file = words[1];
    return with_flags(op, words, 2);
  }
  if (op.kind == Kind::submit) return words.size() == 1 ? Parsed<RingOp>(op) : bad("submit takes nothing", "");
  if (words.size() < 2) return bad(words[0] + " needs a value", "write " + words[0] + (op.waits() ? " 1" : " 10us"));
  if (!op.waits()) return with_time(op, words[1]);
  const auto n = parse_integer(words[1]);
  if (!n || *n < 1 || *n > 65536) return bad("'" + words[1] + "' is no number of completions", "write 1 to 65536");
  op.count = static_cast<int>(*n);
  if (words.size() == 2) return op;
  if (words.size() != 4 || words[2] != "timeout")
    return bad("unknown words after " + words[0] + " N", "write timeout 1ms");
  return with_time(op, words[3]);
}

std::vector<RingFault> ring_faults(const std::vector<RingOp>& ops, int entries, bool repeats) {
  std::vector<RingFault> out;
  const auto room = static_cast<std::int64_t>(std::bit_ceil(static_cast<unsigned>(entries)));
  std::int64_t prepared = 0, submitted = 0;
  bool certain = true;  // after a wait with a timeout what is still to come is not known
  for (int turn = 0; turn < (repeats ? 2 : 1) && out.empty(); ++turn) {
    for (std::size_t i = 0; i < ops.size(); ++i) {
      const RingOp& op = ops[i];
      const int at = static_cast<int>(i);
      if (op.prepares()) {
        prepared += op.count;
        if (prepared > room)
          out.push_back({at, std::to_string(prepared) + " requests are prepared for a ring of " + std::to_string(room),
                         "submit before, or make the ring deeper"});
      }
      if (op.enters()) submitted += std::exchange(prepared, 0);
      if (op.waits()) {
        if (op.time_ns >= 0) certain = false;
        if (certain && op.count > submitted)
          out.push_back({at,
                         "it waits for " + std::to_string(op.count) + " completions, but only " +
                             std::to_string(submitted) + " submitted requests are not taken yet: it would never end",
                         "wait for fewer, submit more, or give a timeout"});
        submitted -= op.count;
      }
      if (!out.empty()) break;
    }
  }
  return out;
}

}  // namespace wakepath::scenario
