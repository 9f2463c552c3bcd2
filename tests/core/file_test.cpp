#include "core/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::throws_user_error;

struct File : ::testing::Test {
  fs::path folder = test::fresh_folder("file");
  void TearDown() override { set_durable_failpoint(0); }
  std::string content(const fs::path& path) { return read_file(path, 1 << 20, ErrorKind::data); }
  int files() { return static_cast<int>(std::distance(fs::directory_iterator(folder), fs::directory_iterator())); }
};

TEST_F(File, WritesReadsAndReplaces) {
  const fs::path path = folder / "new" / "a.txt";
  write_file_durable(path, "one");
  EXPECT_EQ(content(path), "one");
  const std::string_view parts[] = {"two", "", std::string_view("\0x", 2)};
  write_file_durable(path, parts);
  EXPECT_EQ(content(path), std::string("two\0x", 5));
}

TEST_F(File, AFailureAtAnyStepLeavesTheOldContentAndNoRubbish) {
  const fs::path path = folder / "a.txt";
  write_file_durable(path, "old");
  int failures = 0;
  for (std::uint64_t step = 1; step <= 8; ++step) {
    set_durable_failpoint(step);
    try {
      write_file_durable(path, "new");
    } catch (const UserError& error) {
      ++failures;
      EXPECT_EQ(error.kind(), ErrorKind::write);
      const std::string now = content(path);
      EXPECT_TRUE(now == "old" || now == "new") << now;
    }
    set_durable_failpoint(0);
    EXPECT_EQ(files(), 1) << "step " << step;
    write_file_durable(path, "old");
  }
  EXPECT_EQ(failures, 4) << "write, fsync, rename, fsync of the folder";
}

TEST_F(File, ReadingNamesWhatIsWrong) {
  write_file_durable(folder / "big", std::string(100, 'x'));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_TRUE(throws_user_error([&] { read_file(folder / "none", 9, ErrorKind::model); }, ErrorKind::model,
                                {"none", "No such file"}));
  EXPECT_TRUE(
      throws_user_error([&] { read_file(folder / "big", 99, ErrorKind::data); }, ErrorKind::data, {"100 bytes", "99"}));
  EXPECT_TRUE(throws_user_error([&] { read_file(folder, 99, ErrorKind::data); }, ErrorKind::data, {"regular file"}));
  EXPECT_TRUE(
      throws_user_error([&] { read_file(folder / "pipe", 99, ErrorKind::data); }, ErrorKind::data, {"regular file"}));
  EXPECT_TRUE(throws_user_error([&] { write_file_durable("/proc/none/x", "y"); }, ErrorKind::write, {"/proc/none"}));
  EXPECT_EQ(content(folder / "big").size(), 100u);
}

TEST_F(File, FoldersArePublishedOnce) {
  fs::create_directories(folder / "tmp");
  write_file_durable(folder / "tmp" / "x", "1");
  publish_folder(folder / "tmp", folder / "final");
  EXPECT_EQ(content(folder / "final" / "x"), "1");
  fs::create_directories(folder / "tmp");
  EXPECT_TRUE(throws_user_error([&] { publish_folder(folder / "tmp", folder / "final"); }, ErrorKind::write,
                                {"exists already"}));
}

TEST_F(File, LinksAreReplaced) {
  replace_link(folder / "last", "000250");
  replace_link(folder / "last", "000500");
  EXPECT_EQ(fs::read_symlink(folder / "last"), "000500");
  EXPECT_EQ(files(), 1);
}

// FIPS 180-4's examples.
TEST_F(File, Sha256EqualsThePublishedExamples) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  write_file_durable(folder / "million", std::string(1000000, 'a'));
  EXPECT_EQ(sha256_hex_file(folder / "million"), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(MappedFile, HasTheBytesOfTheFileAndRefusesWhatIsNone) {
  const std::filesystem::path folder = test::fresh_folder("mapped");
  for (const std::string& bytes : {std::string(), std::string("abc"), std::string(10'000, 'x')}) {
    write_file_durable(folder / "file", bytes);
    const MappedFile file(folder / "file", 10'000, ErrorKind::model);
    EXPECT_EQ(file.bytes(), bytes);
    write_file_durable(folder / "file", "another");  // renamed into place: what is mapped stays
    EXPECT_EQ(file.bytes(), bytes);
  }
  EXPECT_TRUE(test::throws_user_error([&] { MappedFile(folder, 1, ErrorKind::model); }, ErrorKind::model, {"regular"}));
  EXPECT_TRUE(
      test::throws_user_error([&] { MappedFile(folder / "no", 1, ErrorKind::model); }, ErrorKind::model, {"open"}));
  EXPECT_TRUE(test::throws_user_error([&] { MappedFile(folder / "file", 6, ErrorKind::data); }, ErrorKind::data,
                                      {"at most 6"}));
}

}  // namespace
}  // namespace cp
