#include "support/test_support.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

namespace cp::test {
namespace {

namespace fs = std::filesystem;

template <class T>
::testing::AssertionResult close_impl(const std::string& name, std::span<const T> got, std::span<const T> want,
                                      const Tol& tol) {
  if (got.size() != want.size())
    return ::testing::AssertionFailure() << fmt::format("{}: {} values, wanted {}", name, got.size(), want.size());
  double largest = 0;
  for (const T w : want) largest = std::max(largest, std::abs(static_cast<double>(w)));
  const double bound = tol.absolute + tol.relative * largest;
  std::size_t bad = 0, worst = 0;
  double worst_error = -1;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    if (!(error <= bound)) ++bad;
    if (!(error <= worst_error)) worst_error = error, worst = i;
  }
  if (bad == 0) return ::testing::AssertionSuccess();
  std::string text = fmt::format("{}: {} of {} values differ by more than {:.3g} ({}); largest {:.6g} at {}", name, bad,
                                 got.size(), bound, tol.reason, worst_error, worst);
  for (std::size_t i = 0; i < std::min<std::size_t>(5, got.size()); ++i)
    text += fmt::format("\n  [{}] got {} wanted {}", i, got[i], want[i]);
  text += fmt::format("\n  [{}] got {} wanted {}", worst, got[worst], want[worst]);
  return ::testing::AssertionFailure() << text;
}

}  // namespace

::testing::AssertionResult close(const std::string& name, std::span<const float> got, std::span<const float> want,
                                 const Tol& tol) {
  return close_impl(name, got, want, tol);
}

::testing::AssertionResult close(const std::string& name, std::span<const double> got, std::span<const double> want,
                                 const Tol& tol) {
  return close_impl(name, got, want, tol);
}

::testing::AssertionResult throws_user_error(const std::function<void()>& call, ErrorKind kind,
                                             std::initializer_list<const char*> parts) {
  try {
    call();
  } catch (const UserError& error) {
    const std::string text = error.what();
    if (error.kind() != kind)
      return ::testing::AssertionFailure()
             << "exit code " << error.exit_code() << ", wanted " << static_cast<int>(kind) << ": " << text;
    for (const char* part : parts)
      if (text.find(part) == std::string::npos)
        return ::testing::AssertionFailure() << "message lacks \"" << part << "\": " << text;
    return ::testing::AssertionSuccess();
  } catch (const std::exception& error) {
    return ::testing::AssertionFailure() << "threw another exception: " << error.what();
  }
  return ::testing::AssertionFailure() << "threw nothing";
}

fs::path source_dir() {
  if (const char* dir = std::getenv("CP_SOURCE_DIR")) return dir;
  return CP_SOURCE_DIR;  // __FILE__ may be relative (CCACHE_BASEDIR)
}

fs::path golden(const std::string& relative) { return source_dir() / "tests" / "golden" / relative; }

fs::path research_data(const std::string& name) {
  const char* dir = std::getenv("CP_DATA_DIR");
  const fs::path folder = (dir ? fs::path(dir) : source_dir() / ".." / "shared" / "data") / name;
  std::error_code ignored;
  return fs::exists(folder, ignored) ? folder : fs::path();
}

fs::path fresh_folder(const std::string& name) {
  struct Root {
    fs::path path = fs::temp_directory_path() / fmt::format("changepilot-test-{}", ::getpid());
    ~Root() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  };
  static Root root;
  const fs::path folder = root.path / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

}  // namespace cp::test
