"""From parsed files to one feature table: rows put together, regions chosen, edges named and summarised."""
