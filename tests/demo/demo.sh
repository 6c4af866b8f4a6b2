#!/usr/bin/env bash
echo "The demo is not written yet." >&2
exit 1
