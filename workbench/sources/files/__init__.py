"""What files hold, whatever it is about: text with delimiters, numbers, workbooks and images, read strictly."""
