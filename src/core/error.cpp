#include "core/error.h"

#include <fmt/format.h>

namespace cp {
namespace {

// "where: what. hint", whether or not `what` brought its full stop.
std::string sentence(const std::string& where, std::string what, const std::string& hint) {
  if (!what.empty() && std::string(".?!:\n").find(what.back()) == std::string::npos) what += '.';
  return hint.empty() ? fmt::format("{}: {}", where, what) : fmt::format("{}: {} {}", where, what, hint);
}

}  // namespace

UserError::UserError(ErrorKind kind, std::string where, std::string what, std::string hint)
    : std::runtime_error(sentence(where, std::move(what), hint)),
      kind_(kind),
      where_(std::move(where)),
      hint_(std::move(hint)) {}

BugError::BugError(const char* file, int line, const char* expression, const std::string& detail)
    : std::logic_error(
          fmt::format("{}:{}: {} does not hold: {}. This is a bug in ChangePilot.", file, line, expression, detail)) {}

}  // namespace cp
