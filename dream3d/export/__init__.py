"""Files: a glTF writer, a careful glTF reader, facts about a file, and writes that cannot be half done."""
