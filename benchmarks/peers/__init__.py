"""The same recurrent layer in each library, one file a library, as its users would have it at its best."""
