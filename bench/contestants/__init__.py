"""Who is measured: Airdate, its peers, and boto3 alone as the limit; each in processes of its own."""
