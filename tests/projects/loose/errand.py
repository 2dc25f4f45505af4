"""A script file, for the setting `executable`."""

import sys

import idna

if __name__ == "__main__":
    print("errand", idna.encode("ドメイン").decode(), *sys.argv[1:])
