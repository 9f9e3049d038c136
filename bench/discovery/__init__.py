"""What the section ``discovery`` measures with: databases of any size, discoveries in processes of their own."""
