// Keeps the target buildable until the module has its first source file.
